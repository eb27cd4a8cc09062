from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.models.pseudo_labels.score_mixture import fit_score_mixtures, mixture_thresholds


def two_heaps(low, high, share=0.5, number=400, spread=0.05, seed=0):
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(int(number * (1 - share)), generator=generator) * spread + low
    second = torch.randn(number - len(first), generator=generator) * spread + high
    return torch.cat([first, second]).clamp(0, 1)


def test_recovers_means_shares_and_widths_of_all_classes_at_once():
    scores = torch.stack([two_heaps(0.2, 0.7), two_heaps(0.1, 0.5, share=0.2)])
    shares, means, spread = fit_score_mixtures(scores, torch.ones_like(scores, dtype=torch.bool))
    torch.testing.assert_close(means, torch.tensor([[0.2, 0.7], [0.1, 0.5]]), atol=0.02, rtol=0)
    torch.testing.assert_close(shares, torch.tensor([[0.5, 0.5], [0.8, 0.2]]), atol=0.02, rtol=0)
    torch.testing.assert_close(spread, torch.full((2, 2), 0.05), atol=0.01, rtol=0)


def test_a_class_is_fitted_as_if_it_were_alone():
    first, second = two_heaps(0.2, 0.7), two_heaps(0.3, 0.9, seed=1)
    both = torch.stack([first, second])
    valid = torch.ones_like(both, dtype=torch.bool)
    valid[1, 100:] = False
    together = fit_score_mixtures(both, valid)
    for row, scores in enumerate((first, second[:100])):
        alone = fit_score_mixtures(scores[None], torch.ones(1, len(scores), dtype=torch.bool))
        for many, single in zip(together, alone, strict=True):
            torch.testing.assert_close(many[row], single[0], atol=1e-4, rtol=1e-4)


def test_thresholds_lie_between_the_heaps_and_follow_the_posterior():
    scores = torch.stack([two_heaps(0.2, 0.7), two_heaps(0.15, 0.3)])
    mixtures = fit_score_mixtures(scores, torch.ones_like(scores, dtype=torch.bool))
    thresholds = mixture_thresholds(*mixtures)
    assert 0.35 < thresholds[0] < 0.55 and 0.18 < thresholds[1] < 0.27
    assert (mixture_thresholds(*mixtures, posterior=0.99) > thresholds).all()


def test_one_heap_has_no_threshold():
    scores = torch.full((1, 50), 0.3)
    mixtures = fit_score_mixtures(scores, torch.ones_like(scores, dtype=torch.bool))
    assert mixture_thresholds(*mixtures).isnan().all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), max_size=12), st.integers(0, 2))
def test_never_not_finite(values, invalid):
    scores = torch.tensor([values], dtype=torch.float32)
    valid = torch.arange(len(values))[None] >= invalid
    if not len(values):
        scores, valid = torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.bool)
    mixtures = fit_score_mixtures(scores, valid)
    assert all(part.isfinite().all() for part in mixtures)
    thresholds = mixture_thresholds(*mixtures)
    known = thresholds[~thresholds.isnan()]
    assert ((known >= 0) & (known <= 1)).all()


@pytest.mark.parametrize('share', [0.05, 0.5, 0.95])
def test_uneven_shares(share):
    scores = two_heaps(0.1, 0.8, share=share)[None]
    mixtures = fit_score_mixtures(scores, torch.ones_like(scores, dtype=torch.bool))
    assert 0.2 < mixture_thresholds(*mixtures).item() < 0.7
