"""Fitted anchors in a file, and the generator that loads them."""

from __future__ import annotations

import json

import pytest
import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.utils import register_all_modules

from mmdefect.errors import InputError
from mmdefect.models import DefectAnchorGenerator
from mmdefect.models.anchors.anchor_file import read_anchor_file, write_anchor_file

ANCHORS = dict(
    strides=[8, 16], ratios=[0.25, 1.5], ratio_order='w/h', scales=[4, 5.5], base_sizes=[10, 21.5],
    centers=[[4, 4], [8, 8]],
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'anchors.json'
    write_anchor_file(path, ANCHORS, {'boxes': 3})
    return path


def test_same_anchors_as_written_by_hand(file):
    assert read_anchor_file(file) == ANCHORS
    loaded = TASK_UTILS.build(
        dict(type='mmdefect.DefectAnchorGenerator', anchor_file=str(file), use_box_type=True)
    )
    by_hand = DefectAnchorGenerator(**ANCHORS)
    assert loaded.anchor_file == str(file) and by_hand.anchor_file is None
    assert loaded.use_box_type and loaded.ratio_order == 'w/h'
    for ours, theirs in zip(loaded.base_anchors, by_hand.base_anchors, strict=True):
        assert torch.equal(ours, theirs)


def test_a_head_trains_on_them(file):
    register_all_modules(init_default_scope=False)
    head = MODELS.build(
        dict(
            type='mmdet.RetinaHead', num_classes=2, in_channels=4, feat_channels=4, stacked_convs=1,
            anchor_generator=dict(type='mmdefect.DefectAnchorGenerator', anchor_file=str(file)),
        )
    )  # fmt: skip
    assert head.retina_cls.out_channels == 4 * 2


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('strides', [8, 16]), ('ratios', [1]), ('ratio_order', 'w/h'), ('scales', [4]),
        ('base_sizes', [8, 16]), ('scale_major', False), ('octave_base_scale', 4),
        ('scales_per_octave', 3), ('centers', [(0, 0), (0, 0)]), ('center_offset', 0.5),
    ],
)  # fmt: skip
def test_other_keys_beside_it_are_refused(file, key, value):
    with pytest.raises(InputError, match=f'anchor_file states all anchors; remove {key}'):
        DefectAnchorGenerator(anchor_file=str(file), **{key: value})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'format': 'mmdefect.audit'}, 'not a file of anchors; `mmdefect anchors CONFIG'),
        ({'version': 2}, 'version must be 1, got 2'),
        ({'ratio_order': None}, "key 'ratio_order' is missing"),
        ({'scales': None}, "key 'scales' is missing"),
        ({'octave': 4}, "unknown key 'octave'"),
        ({'ratios': [0.5, -1]}, 'ratios must be finite and above 0, got -1'),
        ({'strides': [8]}, 'base_sizes must have one entry per stride'),
    ],
)
def test_bad_files(file, change, message):
    content = {**json.loads(file.read_text()), **change}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    with pytest.raises(InputError, match=message) as caught:
        DefectAnchorGenerator(anchor_file=str(file))
    assert str(file) in str(caught.value)


@pytest.mark.parametrize('text', ['', '[1]', '{"ratios"', '\0'])
def test_other_files(tmp_path, text):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(InputError, match='not a'):
        read_anchor_file(path)
    with pytest.raises(InputError, match='no such file|not a readable'):
        read_anchor_file(tmp_path)
