from __future__ import annotations

import copy
import pickle

import torch
from mmdet.models.task_modules.prior_generators import AnchorGenerator

from mmdefect.models.anchors.cached_priors import CachedPriors

SIZES = ([(4, 6), (2, 3)], [(5, 5), (3, 3)], [(1, 1), (1, 1)])


class Counting(AnchorGenerator):
    made = 0

    def grid_priors(self, *args, **kwargs):
        Counting.made += 1
        return super().grid_priors(*args, **kwargs)


def make(shapes):
    Counting.made = 0
    return CachedPriors(Counting([8, 16], [0.5, 1.0], scales=[2]), shapes)


def test_the_shapes_used_last_are_kept():
    cached = make(2)
    first = cached.grid_priors(SIZES[0], device='cpu')
    cached.grid_priors(SIZES[1], device='cpu')
    again = cached.grid_priors([torch.Size(size) for size in SIZES[0]], device=torch.device('cpu'))
    assert Counting.made == 2 and again is not first
    assert all(one is two for one, two in zip(first, again, strict=True))
    cached.grid_priors(SIZES[2], device='cpu')  # takes the place of the second
    cached.grid_priors(SIZES[0], device='cpu')
    assert Counting.made == 3 and len(cached._kept) == 2
    cached.grid_priors(SIZES[1], device='cpu')
    assert Counting.made == 4
    assert cached.grid_priors(SIZES[1], torch.float64, 'cpu')[0].dtype == torch.float64
    plain = AnchorGenerator([8, 16], [0.5, 1.0], scales=[2]).grid_priors(SIZES[0], device='cpu')
    assert all(torch.equal(one, two) for one, two in zip(first, plain, strict=True))


def test_none_is_kept():
    cached = make(0)
    for _ in range(2):
        assert len(cached.grid_priors(SIZES[0], device='cpu')) == 2
    assert Counting.made == 2 and not cached._kept


def test_it_is_the_generator_for_the_rest_and_can_be_copied():
    cached = make(2)
    assert cached.num_base_priors == [2, 2] and cached.strides == [(8, 8), (16, 16)]
    cached.grid_priors(SIZES[0], device='cpu')
    for other in (copy.deepcopy(cached), pickle.loads(pickle.dumps(cached))):
        assert other.num_levels == 2 and not other._kept
        assert other.generator is not cached.generator
    assert len(cached._kept) == 1
