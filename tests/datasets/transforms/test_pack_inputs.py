from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.registry import TRANSFORMS

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.errors import InputError

SAMPLE = {
    'img_id': 0,
    'img_path': 'a.png',
    'ori_shape': (4, 6),
    'img_shape': (4, 6),
    'scale_factor': (1.0, 1.0),
}


def build(**arguments):
    return TRANSFORMS.build({'type': 'mmdefect.PackInputs', **arguments})


def test_meta_keys_and_optional_ones_reach_the_model():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    flipped = image[:, ::-1]
    packed = build()({**SAMPLE, 'img': flipped, 'part_id': 'p', 'instances': [], 'other': 1})
    assert packed['inputs'].is_contiguous()
    assert torch.equal(packed['inputs'], torch.from_numpy(flipped.copy()).permute(2, 0, 1))
    assert set(packed['data_samples'].metainfo) == {
        *SAMPLE, 'part_id', 'instances', 'homography_matrix',
    }  # fmt: skip


@pytest.mark.parametrize('key', sorted(set(SAMPLE) - {'img_id'}))
def test_absent_meta_key_raises(key):
    sample = {name: value for name, value in SAMPLE.items() if name != key}
    with pytest.raises(InputError, match=f"meta key '{key}' is absent"):
        build()({**sample, 'img': np.zeros((4, 6, 3), np.uint8)})


def test_no_boxes_and_ignored_boxes():
    packed = build()(
        {
            **SAMPLE,
            'img': np.zeros((4, 6, 3), np.uint8),
            'gt_bboxes': np.array([[0, 0, 1, 1], [1, 1, 3, 3]], np.float32),
            'gt_bboxes_labels': np.array([0, 1]),
            'gt_ignore_flags': np.array([0, 1]),
        }
    )['data_samples']
    assert packed.gt_instances.labels.tolist() == [0]
    assert packed.ignored_instances.bboxes.tolist() == [[1, 1, 3, 3]]


def test_unknown_key():
    with pytest.raises(InputError, match="unknown key 'metakeys'; did you mean 'meta_keys'"):
        build(metakeys=())
