"""Parity of tiled prediction with a loop over tiles, boxes and pixels."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdefect.geometry import TileGrid
from mmdefect.inference import TileMerge
from mmdefect.inference.tiled_prediction import TiledPrediction

RESIZE = [dict(type='mmdet.Resize', scale=(32, 32), keep_ratio=True)]


def predict(detector, images, grid, pipeline=(), **options):
    prediction = TiledPrediction(detector, grid, pipeline, **options)
    return list(prediction.stream(enumerate(images)))


def as_rows(found):
    """Boxes, score and class of each detection, in any order."""
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return sorted(
        (*(round(v, 3) for v in box), round(score, 5), label) for box, score, label in rows
    )


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return inter / (areas - inter) if inter else 0.0


def by_hand(detector, image, grid, threshold):
    """One tile and one box at a time: cut, detect, shift, suppress."""
    height, width = image.shape[:2]
    rows = []
    for x1, y1, x2, y2 in grid.boxes(width, height).tolist():
        tile = np.zeros((y2 - y1, x2 - x1, 3), np.uint8)
        part = image[y1:y2, x1:x2]
        tile[: part.shape[0], : part.shape[1]] = part
        found = detector.detect(tile, type('Sample', (), {'scale_factor': (1, 1)}))
        found = found.pred_instances
        for box, score, label in zip(
            found.bboxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True
        ):
            rows.append((box[0] + x1, box[1] + y1, box[2] + x1, box[3] + y1, score, label))
    kept = []
    for row in sorted(rows, key=lambda row: -row[4]):
        if all(other[5] != row[5] or iou(other, row) <= threshold for other in kept):
            kept.append(row)
    return sorted((*(round(v, 3) for v in row[:4]), round(row[4], 5), row[5]) for row in kept)


@pytest.mark.parametrize('edge', ['shift', 'pad', 'drop'])
@pytest.mark.parametrize('overlap', [0.0, 0.25, 0.5])
def test_equals_a_loop_on_sizes_overlaps_and_borders(spots, draw_spots, edge, overlap):
    grid = TileGrid((24, 16), overlap, edge)
    sizes = [(23, 15), (24, 16), (25, 17), (24, 40), (7, 50), (60, 16), (90, 47), (1, 1)]
    images = [draw_spots(w, h, seed)[0] for seed, (w, h) in enumerate(sizes)]
    expected = [by_hand(spots(), image, grid, 0.5) for image in images]
    for batch_size in (1, 3, 16):
        detector = spots()
        results = predict(
            detector, images, grid, batch_size=batch_size, merge=TileMerge(drop_cut=False)
        )
        assert [result.key for result in results] == list(range(len(sizes)))
        assert [as_rows(result.detections) for result in results] == expected
        tiles = [len(grid.boxes(*size)) for size in sizes]
        assert [result.tiles for result in results] == tiles
        assert max(shape[0] for shape in detector.batches) <= batch_size
        assert sum(shape[0] for shape in detector.batches) == sum(tiles)


@pytest.mark.parametrize('method', ['nms', 'nmm', 'wbf'])
@pytest.mark.parametrize('metric', ['iou', 'ios'])
@pytest.mark.parametrize('pipeline', [(), RESIZE])
def test_finds_each_spot_once_with_its_mask(spots, draw_spots, method, metric, pipeline):
    # Spots are no larger than the overlap, so each is whole in some tile.
    image, truth = draw_spots(100, 70, seed=3, largest=10, number=20)
    grid = TileGrid((32, 32), 0.5)
    merge = TileMerge(method, metric, threshold=0.6)
    (result,) = predict(spots(), [image], grid, pipeline, merge=merge)
    found = result.detections
    expected = sorted(
        (*map(float, box), round(float(score), 5), label) for box, score, label, _ in truth
    )
    assert as_rows(found) == expected
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    masks = {round(float(score), 5): mask for _, score, _, mask in truth}
    for score, encoded in zip(found.scores.tolist(), found.masks, strict=True):
        np.testing.assert_array_equal(coco_mask.decode(encoded), masks[round(score, 5)])


def test_an_object_larger_than_a_tile(spots):
    image = np.zeros((16, 80, 3), np.uint8)
    image[4:10, 8:70] = 200
    grid = TileGrid((32, 16), 0.5)
    cut = predict(spots(), [image], grid)[0].detections
    assert len(cut) > 1
    (whole,) = predict(spots(), [image], grid, merge=TileMerge('nmm', 'ios', 0.1)).copy()
    # Greedy merging reaches what overlaps the best part; the full image reaches everything.
    assert len(whole.detections) < len(cut)
    (full,) = predict(spots(), [image], grid, full_image=(40, 16))
    assert full.tiles == 5
    assert full.detections.boxes.tolist() == [[8, 4, 70, 10]]
    assert coco_mask.area(full.detections.masks[0]) == 6 * 62


def test_batches_are_filled_across_images_and_order_is_kept(spots, draw_spots):
    images = [draw_spots(40, 16, seed)[0] for seed in range(5)]
    detector = spots()
    results = predict(detector, images, TileGrid((16, 16)), batch_size=4)
    assert [shape[0] for shape in detector.batches] == [4, 4, 4, 3]
    assert [result.key for result in results] == list(range(5))


def test_a_rare_shape_does_not_hold_the_others_back(spots):
    small, large = np.zeros((9, 9, 3), np.uint8), np.zeros((16, 32, 3), np.uint8)
    prediction = TiledPrediction(spots(), TileGrid((16, 16)), batch_size=2)
    taken = []

    def images():
        for number in range(50):
            taken.append(number)
            yield number, small if number == 0 else large

    stream = prediction.stream(images())
    assert next(stream).key == 0
    assert len(taken) < 10
    assert [result.key for result in stream] == list(range(1, 50))


def test_no_image_unreadable_image_and_values_that_are_no_numbers(spots, draw_spots):
    assert predict(spots(), [], TileGrid((8, 8))) == []
    image = draw_spots(20, 20)[0]
    results = predict(spots(), [image, None, image], TileGrid((8, 8)), batch_size=3)
    assert [result.tiles for result in results] == [9, 0, 9]
    assert len(results[1].detections) == 0
    (broken,) = predict(spots(broken=True), [image], TileGrid((8, 8)))
    assert not broken.finite and len(broken.detections) == 0
    (clean,) = predict(spots(), [np.zeros((20, 20, 3), np.uint8)], TileGrid((8, 8)))
    assert clean.finite and clean.detections.boxes.shape == (0, 4)


def test_one_pixel_box_float_images_and_grey_ones(spots):
    image = np.zeros((20, 20, 3), np.float32)
    image[19, 19] = 100.5
    (result,) = predict(spots(), [image], TileGrid((8, 8), 0.5))
    assert result.detections.boxes.tolist() == [[19, 19, 20, 20]]
    assert result.detections.scores[0] == pytest.approx(100.5 / 255)


def test_tiles_are_cut_one_batch_at_a_time(spots):
    """A large image: few tiles at once, and no tile keeps the image alive."""
    image = np.zeros((4000, 5000, 3), np.uint8)
    image[3990:4000, 4990:5000] = 200
    detector = spots(with_masks=False)
    prediction = TiledPrediction(detector, TileGrid((500, 500)), batch_size=4)
    seen = []
    results = prediction.stream([(0, image)], seen.append)
    (result,) = results
    assert seen == [4] * 20
    assert result.detections.boxes.tolist() == [[4990, 3990, 5000, 4000]]


def test_filling_has_the_mean_colour(spots):
    detector = spots()
    detector.data_preprocessor = type(
        'Preprocessor', (), {'mean': np.array([1.0]), '_channel_conversion': True}
    )
    import torch

    detector.data_preprocessor.mean = torch.tensor([10.0, 20.4, 30.0]).view(3, 1, 1)
    prediction = TiledPrediction(detector, TileGrid((4, 4), edge='pad'))
    filled = prediction._filled(np.full((2, 3, 3), 7, np.uint8), 4, 4)
    assert filled[:2, :3].tolist() == [[[7] * 3] * 3] * 2
    assert filled[3, 3].tolist() == [30, 20, 10]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(batch_size=0), 'batch_size must be'), (dict(batch_size=2.0), 'batch_size must be'),
        (dict(min_score=2), 'min_score must be'), (dict(full_image=(0, 4)), 'size must be'),
    ],
)  # fmt: skip
def test_values_out_of_range(spots, options, words):
    with pytest.raises(ValueError, match=words):
        TiledPrediction(spots(), TileGrid((8, 8)), **options)
