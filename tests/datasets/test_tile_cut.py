from __future__ import annotations

import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from mmdefect.datasets.tile_cut import cut_tile

BOXES = [[2, 1, 6, 5], [0, 0, 1, 1], [3, 2, 4, 3], [5, 5, 9, 7]]


def loaded(**extra):
    pixels = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
    return dict(
        img=pixels,
        img_path='a.png',
        img_id=7,
        scale_factor=(2.0, 2.0),
        gt_bboxes=HorizontalBoxes(np.array(BOXES, np.float32), in_mode='xyxy'),
        gt_bboxes_labels=np.arange(4),
        gt_ignore_flags=np.array([False, False, True, False]),
        instances=[dict(bbox=box, bbox_label=i, mask=[]) for i, box in enumerate(BOXES)],
        **extra,
    )


def test_pixels_boxes_and_what_is_ignored():
    sample = loaded(gt_seg_map=np.zeros((8, 12), np.uint8))
    cut = cut_tile(sample, (4, 0, 12, 8), 0.6)
    np.testing.assert_array_equal(cut['img'], sample['img'][:, 4:])
    assert cut['img'].flags.c_contiguous and cut['img'].base is None
    assert cut['img_shape'] == cut['ori_shape'] == (8, 8) == (cut['height'], cut['width'])
    assert cut['gt_seg_map'].shape == (8, 8)
    assert cut['tile'] == (4, 0, 12, 8) and cut['img_id'] == 7 and cut['scale_factor'] == (1.0, 1.0)
    # Half of the first box is too little; the second and third lie outside.
    assert cut['gt_bboxes'].tensor.tolist() == [[0, 1, 2, 5], [1, 5, 5, 7]]
    assert cut['gt_bboxes_labels'].tolist() == [0, 3]
    assert cut['gt_ignore_flags'].tolist() == [True, False]
    flags = [(item['bbox'], item['ignore_flag']) for item in cut['instances']]
    assert flags == [([0, 1, 2, 5], 1), ([1, 5, 5, 7], 0)]
    assert all('mask' not in item for item in cut['instances'])
    assert sample['gt_bboxes'].tensor.tolist() == BOXES


@pytest.mark.parametrize('kind', ['bitmap', 'polygon'])
def test_masks_are_cut_and_empty_ones_left_out(kind):
    # The second object's box reaches into the tile, its mask does not.
    boxes = HorizontalBoxes(np.array([[2, 0, 6, 4], [0, 0, 6, 4]], np.float32), in_mode='xyxy')
    if kind == 'bitmap':
        bits = np.zeros((2, 4, 8), np.uint8)
        bits[0, :, 2:6] = bits[1, :, :3] = 1
        masks = BitmapMasks(bits, 4, 8)
    else:
        corners = [[2, 0, 6, 0, 6, 4, 2, 4], [0, 0, 3, 0, 3, 4, 0, 4]]
        masks = PolygonMasks([[np.array(c, np.float64)] for c in corners], 4, 8)
    sample = dict(
        img=np.zeros((4, 8, 3), np.uint8), gt_bboxes=boxes, gt_bboxes_labels=np.arange(2),
        gt_masks=masks,
    )  # fmt: skip
    cut = cut_tile(sample, (4, 0, 8, 4), 0.1)
    assert cut['gt_bboxes_labels'].tolist() == [0]
    assert len(cut['gt_masks']) == 1 and cut['gt_masks'].areas.tolist() == [8]
    assert (cut['gt_masks'].height, cut['gt_masks'].width) == (4, 4)


def test_without_boxes():
    sample = dict(img=np.zeros((4, 8, 3), np.uint8), instances=[])
    assert cut_tile(sample, (0, 0, 4, 4), 0.5)['instances'] == []
    sample.update(
        gt_bboxes=HorizontalBoxes(np.zeros((0, 4), np.float32), in_mode='xyxy'),
        gt_bboxes_labels=np.zeros(0, int), gt_ignore_flags=np.zeros(0, bool),
        gt_masks=BitmapMasks([], 4, 8),
    )  # fmt: skip
    cut = cut_tile(sample, (0, 0, 4, 4), 0.5)
    assert len(cut['gt_bboxes']) == len(cut['gt_masks']) == len(cut['gt_ignore_flags']) == 0


def test_boxes_of_another_type():
    sample = dict(img=np.zeros((4, 8, 3), np.uint8), gt_bboxes=np.zeros((1, 4)))
    with pytest.raises(ValueError, match="box_type='hbox'"):
        cut_tile(sample, (0, 0, 4, 4), 0.5)
