"""One candidate per anchor shape against all anchors of MMDetection's own grids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.task_modules.prior_generators import AnchorGenerator, anchor_inside_flags
from mmdet.structures.bbox import bbox_overlaps

from mmdefect.errors import InputError
from mmdefect.evaluation.anchors import (
    AnchorForm,
    AnchorSet,
    PlacedBoxes,
    best_grid_iou,
    best_shape_iou,
)


def as_set(generator):
    levels = [level.double().numpy() for level in generator.base_anchors]
    boxes = np.concatenate(levels)
    return AnchorSet(
        np.repeat(np.arange(len(levels)), [len(level) for level in levels]),
        boxes[:, 2:] - boxes[:, :2],
        (boxes[:, 2:] + boxes[:, :2]) / 2,
        np.array(generator.strides, float),
    )


def brute_force(boxes, size, padded, generator, border):
    """Best IoU with every anchor that MMDetection would train on this image."""
    shapes = [(-(-padded[1] // h), -(-padded[0] // w)) for w, h in generator.strides]
    anchors = torch.cat(generator.grid_priors(shapes, dtype=torch.float64, device='cpu'))
    flags = torch.cat(generator.valid_flags(shapes, padded[::-1], device='cpu'))
    inside = anchor_inside_flags(anchors, flags, size[::-1], border)
    if not inside.any():
        return np.zeros(len(boxes))
    return bbox_overlaps(torch.from_numpy(boxes).double(), anchors[inside]).amax(1).numpy()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    strides=st.sampled_from([[8], [4, 8, 16, 32], [(8, 4), (16, 8)], [8, 16, 32, 64, 100, 300]]),
    ratios=st.lists(st.floats(0.1, 10), min_size=1, max_size=4),
    scales=st.lists(st.floats(0.3, 10), min_size=1, max_size=3),
    offset=st.sampled_from([0.0, 0.5, 1.0]),
    border=st.sampled_from([-1, 0, 7]),
)
def test_the_nearest_place_is_enough(seed, strides, ratios, scales, offset, border):
    generator = AnchorGenerator(strides, ratios, scales, center_offset=offset)
    draw = np.random.default_rng(seed)
    size = draw.integers(9, 200, 2)
    padded = -(-size // 32) * 32 if seed % 2 else size
    corners = np.sort(draw.uniform(0, 1, (40, 2, 2)) * size, axis=1)
    corners[:, 1] = np.maximum(corners[:, 1], corners[:, 0] + 1)
    boxes = corners.reshape(-1, 4).astype(np.float32)
    placed = PlacedBoxes(boxes, np.zeros(40, np.int64), size[None], padded[None])
    anchors = as_set(generator)
    found, which = best_grid_iou(placed, anchors, border)
    expected = brute_force(boxes, size.tolist(), padded.tolist(), generator, border)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    # The anchor that is named has that IoU.
    for row in range(0, 40, 13):
        alone = AnchorSet(
            *(values[which[row], None] for values in (anchors.levels, anchors.sizes)),
            anchors.centres[which[row], None],
            anchors.strides,
        )
        again, _ = best_grid_iou(placed.take(np.array([row])), alone, border)
        assert again[0] == pytest.approx(found[row], abs=1e-6)
    extents = boxes[:, 2:] - boxes[:, :2]
    centred = best_shape_iou(extents, anchors)
    assert (centred >= found - 2e-6).all()
    around = np.hstack([-extents, extents]) / 2
    every = np.hstack([-anchors.sizes, anchors.sizes]) / 2
    shape = bbox_overlaps(torch.from_numpy(around).double(), torch.from_numpy(every)).amax(1)
    np.testing.assert_allclose(centred, shape.numpy(), atol=2e-6)


def test_boxes_on_several_images_and_more_than_a_chunk():
    form = AnchorForm(np.full((1, 2), 16.0), np.array([16.0]), np.zeros((1, 2)))
    anchors = form.anchors([0.5, 1, 2], [2, 4])
    draw = np.random.default_rng(0)
    sizes = np.array([[640, 480], [100, 700], [33, 20]])
    owners = draw.integers(0, 3, 30_000)
    corners = np.sort(draw.uniform(0, 1, (30_000, 2, 2)) * sizes[owners][:, None], axis=1)
    corners[:, 1] += 1
    placed = PlacedBoxes(corners.reshape(-1, 4).astype(np.float32), owners, sizes, sizes)
    found, _ = best_grid_iou(placed, anchors)
    for image in range(3):
        mine = np.flatnonzero(owners == image)
        alone = PlacedBoxes(
            placed.boxes[mine], np.zeros(len(mine), np.int64), sizes[[image]], sizes[[image]]
        )
        np.testing.assert_array_equal(found[mine], best_grid_iou(alone, anchors)[0])


def test_no_box_and_one_pixel():
    form = AnchorForm(np.full((1, 2), 8.0), np.array([8.0]), np.zeros((1, 2)))
    anchors = form.anchors([1], [1])
    size = np.array([[16, 16]])
    none = PlacedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), size, size)
    assert len(best_grid_iou(none, anchors)[0]) == len(best_shape_iou(none.extents, anchors)) == 0
    pixel = PlacedBoxes(np.array([[0, 0, 1, 1]], np.float32), np.array([0]), size, size)
    assert best_grid_iou(pixel, anchors)[0][0] == pytest.approx(1 / 64)
    # No anchor of 8 pixels around the corner lies within the image.
    assert best_grid_iou(pixel, form.anchors([1], [4]), 0)[0][0] == 0


@pytest.mark.parametrize('bad', [[0, 0, 0, 4], [4, 0, 1, 4], [0, 0, np.nan, 4], [0, 0, np.inf, 4]])
def test_bad_boxes_are_named(bad):
    size = np.array([[16, 16]])
    boxes = np.array([[0, 0, 4, 4], bad], np.float32)
    with pytest.raises(InputError, match=r'row 1\) must be finite and have an area'):
        PlacedBoxes(boxes, np.zeros(2, np.int64), size, size)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'sizes': np.array([[0.0, 4]])}, 'sizes must be finite and above 0'),
        ({'sizes': np.array([[np.nan, 4]])}, 'sizes must be finite and above 0'),
        ({'strides': np.array([[0.0, 4]])}, 'strides must be finite and above 0'),
        ({'centres': np.array([[np.inf, 4]])}, 'centres must be finite'),
        ({'centres': np.zeros((2, 2))}, r'must have shape \(1, 2\)'),
    ],
)
def test_bad_anchors(change, message):
    right = dict(
        levels=np.array([0]), sizes=np.ones((1, 2)), centres=np.zeros((1, 2)),
        strides=np.ones((1, 2)),
    )  # fmt: skip
    with pytest.raises(ValueError, match=message):
        AnchorSet(**{**right, **change})


def test_count_and_transposition():
    generator = AnchorGenerator([8, 16], [0.5, 2, 3], [4])
    anchors = as_set(generator)
    shapes = [(6, 9), (3, 5)]
    every = torch.cat(generator.grid_priors(shapes, device='cpu'))
    assert anchors.count((70, 48)) == len(every) and anchors.per_location == [3, 3]
    np.testing.assert_array_equal(anchors.transposed().sizes, anchors.sizes[:, ::-1])
