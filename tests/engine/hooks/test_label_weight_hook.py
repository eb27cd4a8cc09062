from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from mmdefect.datasets import TiledDataset, TileSampler
from mmdefect.engine.hooks import LabelWeightHook
from mmdefect.engine.hooks.label_weight_hook import balanced_weights


class Items:
    """Ten items; class 0 is in four of them, class 1 in none, class 2 in all."""

    metainfo = {'classes': ('chip', 'rust', 'dent')}

    def __len__(self):
        return 10

    def get_cat_ids(self, index):
        return [0, 0, 2] if index < 4 else [2]


def loss():
    from mmpretrain.models.losses import CrossEntropyLoss

    return CrossEntropyLoss(use_sigmoid=True)


def apply(dataset, sampler=None, model=None, **options):
    model = torch.nn.Sequential(loss()) if model is None else model
    loader = SimpleNamespace(dataset=dataset, sampler=sampler)
    LabelWeightHook(**options).before_train(
        SimpleNamespace(
            model=model,
            train_loop=SimpleNamespace(dataloader=loader),
            logger=logging.getLogger('weights'),
        )
    )
    return model[0]


def test_weights_from_the_data_reach_the_loss(caplog):
    with caplog.at_level('INFO', 'weights'):
        weighted = apply(Items())
    assert weighted.class_weight == pytest.approx([10 / 12, 1, 1])
    there = np.multiply(weighted.class_weight, weighted.pos_weight)
    assert there == pytest.approx([10 / 8, 1, 1])
    assert caplog.messages == [
        'weights of labels that are there / are not: chip 1.25 / 0.83, rust 1.00 / 1.00, '
        'dent 1.00 / 1.00'
    ]


def test_stated_weights_multiply_the_two_sides():
    weighted = apply(Items(), weights=(1.22, 0.85))
    scores, truth = torch.randn(5, 3), (torch.rand(5, 3) > 0.5).float()
    weights = torch.where(truth > 0, 1.22, 0.85)
    expected = binary_cross_entropy_with_logits(scores, truth, weights, reduction='sum') / 5
    # As the head calls it.
    assert weighted(scores, truth, avg_factor=5).item() == pytest.approx(expected.item())


def test_a_pass_of_the_sampler_is_counted(tiny_coco):
    dataset = TiledDataset(
        dataset=dict(
            type='mmdefect.DefectDataset', metainfo=dict(classes=('any',)), single_class=True,
            reader=dict(type='mmdefect.COCOReader', ann_file=f'{tiny_coco}/train.json'),
        ),
        size=(16, 16), pipeline=[],
    )  # fmt: skip
    sampler = TileSampler(dataset, batch_size=4, defect_share=0.41, seed=0)
    weighted = apply(dataset, sampler)
    assert weighted.class_weight == pytest.approx([0.85], abs=0.02)
    assert np.multiply(weighted.class_weight, weighted.pos_weight) == pytest.approx(
        [1.22], abs=0.03
    )


def test_rare_classes_do_not_outweigh_all_others():
    there, not_there = balanced_weights(np.array([1, 500]), 1000)
    assert there.tolist() == [10, 1] and not_there.round(2).tolist() == [0.5, 1]


@pytest.mark.parametrize(
    ('dataset', 'model', 'words'),
    [
        (Items(), torch.nn.Sequential(torch.nn.Linear(1, 1)), 'the model has no loss'),
        (SimpleNamespace(metainfo={}), None, 'no class names'),
        (SimpleNamespace(metainfo=Items.metainfo), None, 'does not tell its labels'),
    ],
)
def test_what_does_not_fit(dataset, model, words):
    with pytest.raises(ValueError, match=words):
        apply(dataset, model=model)


@pytest.mark.parametrize('weights', ['aut', (1,), (1, 0), (1, float('inf')), 2, (1, '2'), None])
def test_weights_out_of_range(weights):
    with pytest.raises(ValueError, match="weights must be 'auto' or two numbers"):
        LabelWeightHook(weights=weights)
