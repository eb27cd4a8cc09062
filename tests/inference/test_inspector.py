"""Real detectors through tiles, against the same detectors on each tile by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.hub import get_config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image
from pycocotools import mask as coco_mask

from mmdefect.datasets import LoadImage
from mmdefect.engine.predict import TrainedModel
from mmdefect.inference import Inspector, TileGrid, TileMerge

GRID = TileGrid((64, 48), 0.5)
# Nothing is merged, so that every box of every tile can be compared.
KEEP_ALL = TileMerge(threshold=1.0, drop_cut=False)
RESIZE = dict(type='mmdet.Resize', scale=(96, 96), keep_ratio=True)
PIPELINE = [dict(type='mmdefect.LoadImage'), RESIZE, dict(type='mmdefect.PackInputs')]


def build(config, pipeline=PIPELINE, classes=('chip', 'rust')):
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(config).eval()
    for module in model.modules():
        # Random scores that differ, instead of the small prior.
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.normal_(module.bias, std=0.5)
            torch.nn.init.normal_(module.weight, std=0.1)
    return TrainedModel(model, pipeline, classes)


@pytest.fixture(scope='module')
def retinanet(tiny_config):
    config = Config.fromfile(tiny_config).model
    config.test_cfg.update(score_thr=0.0, max_per_img=6, nms_pre=50)
    return build(config)


@pytest.fixture(scope='module')
def rtmdet_ins():
    config = get_config('mmdet::rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py').model
    config.backbone.update(widen_factor=0.125, init_cfg=None, norm_cfg=dict(type='BN'))
    config.neck.update(in_channels=[32, 64, 128], out_channels=16, norm_cfg=dict(type='BN'))
    config.bbox_head.update(
        num_classes=2, in_channels=16, feat_channels=16, norm_cfg=dict(type='BN'),
        num_prototypes=4, dyconv_channels=4,
    )  # fmt: skip
    # About half of the pixels of an untrained mask lie above sigmoid(-2).
    config.test_cfg.update(
        score_thr=0.0, max_per_img=5, nms_pre=50, min_bbox_size=-1, mask_thr_binary=0.12
    )
    # Its neck needs sides of whole strides.
    pad = dict(type='mmdet.Pad', size=(96, 96), pad_val=dict(img=(114, 114, 114)))
    return build(config, [*PIPELINE[:2], pad, PIPELINE[2]])


def pictures(*sizes):
    generator = np.random.default_rng(0)
    return [generator.integers(0, 255, (h, w, 3), np.uint8) for w, h in sizes]


@torch.no_grad()
def one_by_one(model, image, grid=GRID):
    """Boxes, scores, labels and masks of every tile in the frame of the image."""
    rows, masks = [], []
    height, width = image.shape[:2]
    for x1, y1, x2, y2 in grid.boxes(width, height).tolist():
        results = LoadImage()(np.ascontiguousarray(image[y1:y2, x1:x2]))
        for step in model.steps.transforms[1:]:
            results = step(results)
        found = model.model.test_step(pseudo_collate([results]))[0].pred_instances
        # What a detector finds in the padding lies beyond its tile.
        limits = torch.tensor([x2 - x1, y2 - y1] * 2)
        boxes = found.bboxes.clamp(min=0).minimum(limits) + torch.tensor([x1, y1, x1, y1])
        rows.append(torch.cat([boxes, found.scores[:, None], found.labels[:, None]], 1))
        for mask in found.masks if 'masks' in found else ():
            whole = np.zeros((height, width), bool)
            whole[y1:y2, x1:x2] = mask.numpy()
            masks.append(whole)
    rows = torch.cat(rows).numpy()
    keep = ((rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])).nonzero()[0]
    return rows[keep], [masks[index] for index in keep] if masks else []


def in_order(rows):
    return np.lexsort(np.round(rows, 2).T)


@pytest.mark.parametrize('batch_size', [1, 5, 16])
def test_boxes_are_those_of_each_tile_by_itself(retinanet, batch_size):
    images = pictures((150, 60), (64, 48), (40, 40), (65, 49))
    inspector = Inspector(retinanet, GRID, batch_size=batch_size, merge=KEEP_ALL)
    for image, result in zip(images, inspector.inspect(images), strict=True):
        expected, _ = one_by_one(retinanet, image)
        found = result.detections
        rows = np.column_stack([found.boxes, found.scores, found.labels])
        assert len(rows) == len(expected)
        np.testing.assert_allclose(
            rows[in_order(rows)], expected[in_order(expected)], rtol=1e-3, atol=1e-2
        )
        assert (result.width, result.height) == image.shape[1::-1]
        assert result.tiles == len(GRID.boxes(*image.shape[1::-1]))


def test_masks_lie_where_the_tile_lies(rtmdet_ins):
    (image,) = pictures((150, 60))
    inspector = Inspector(rtmdet_ins, GRID, batch_size=4, merge=KEEP_ALL)
    (result,) = inspector.inspect([image])
    found = result.detections
    expected, masks = one_by_one(rtmdet_ins, image)
    assert len(found) == len(found.masks) == len(masks) > 10
    order = np.argsort(-expected[:, 4], kind='stable')
    np.testing.assert_allclose(found.scores, expected[order, 4], atol=1e-4)
    agree = []
    for score, label, encoded in zip(found.scores, found.labels, found.masks, strict=True):
        mask = coco_mask.decode(encoded).astype(bool)
        assert mask.shape == (60, 150)
        near = np.flatnonzero((abs(expected[:, 4] - score) < 1e-3) & (expected[:, 5] == label))
        agree.append(max((masks[index] == mask).mean() for index in near))
    assert min(agree) > 0.99
    # Somewhere to the right of the first tile, which an unshifted mask never reaches.
    assert any(coco_mask.decode(encoded)[:, 70:].any() for encoded in found.masks)


def test_masks_are_united(rtmdet_ins):
    (image,) = pictures((100, 60))
    merge = TileMerge('nmm', 'ios', 0.3, class_agnostic=True)
    (result,) = Inspector(rtmdet_ins, GRID, merge=merge).inspect([image])
    assert len(result.detections.masks) == len(result.detections)


def test_mixed_precision_and_back(retinanet):
    images = pictures((150, 60))
    exact = Inspector(retinanet, GRID, merge=KEEP_ALL)
    rough = Inspector(retinanet, GRID, merge=KEEP_ALL, amp=True)
    before = next(exact.inspect(images)).detections
    (half,) = rough.inspect(images)
    assert np.isfinite(half.detections.boxes).all()
    assert abs(half.detections.scores[:5] - before.scores[:5]).max() < 0.05
    assert np.array_equal(next(exact.inspect(images)).detections.boxes, before.boxes)
    assert all(not module._forward_hooks for module in retinanet.model.modules())


def test_paths_arrays_grey_images_and_progress(retinanet, tmp_path):
    colour, other = pictures((80, 50), (64, 48))
    Image.fromarray(colour[..., ::-1]).save(tmp_path / 'a.png')
    calls = []
    results = list(
        Inspector(retinanet, GRID, full_image=(64, 64)).inspect(
            [tmp_path / 'a.png', colour, other[..., 0], str(tmp_path / 'a.png')],
            lambda tiles, images: calls.append((tiles, images)),
        )
    )
    assert [Path(result.source).name for result in results] == [
        'a.png',
        'image 2',
        'image 3',
        'a.png',
    ]
    for name in ('boxes', 'scores', 'labels'):
        first, *rest = (getattr(results[index].detections, name) for index in (0, 1, 3))
        for values in rest:
            np.testing.assert_allclose(values, first, rtol=1e-3, atol=1e-2)
    assert [result.tiles for result in results] == [5, 5, 2, 5]
    assert calls[-1] == (17, 4) and calls == sorted(calls)
    assert list(Inspector(retinanet, GRID).inspect([])) == []


def test_images_that_cannot_be_inspected(retinanet, tmp_path):
    (good,) = pictures((64, 48))
    (tmp_path / 'bad.png').write_bytes(b'no image')
    sources = [
        good,
        tmp_path / 'bad.png',
        tmp_path / 'none.png',
        np.zeros((0, 4, 3), np.uint8),
        good,
    ]
    with pytest.raises(ValueError, match='bad.png'):
        list(Inspector(retinanet, GRID).inspect(sources))
    results = list(Inspector(retinanet, GRID, on_error='record').inspect(sources))
    assert [result.error is None for result in results] == [True, False, False, False, True]
    assert 'bad.png' in results[1].error and 'none.png' in results[2].error
    assert 'image 4' in results[3].error
    assert [result.tiles for result in results] == [1, 0, 0, 0, 1]


def test_weights_that_are_no_numbers(tiny_config):
    model = build(Config.fromfile(tiny_config).model)
    with torch.no_grad():
        model.model.backbone.conv1.weight.fill_(float('nan'))
    images = pictures((64, 48))
    inspector = Inspector(model, GRID, on_error='record')
    (result,) = inspector.inspect(images)
    # A detector may drop what is no number by itself.
    assert len(result.detections) == 0


def test_closing_early_ends_the_reading(retinanet):
    taken = []

    def images():
        for number in range(50):
            taken.append(number)
            yield pictures((64, 48))[0]

    stream = Inspector(retinanet, GRID, batch_size=1).inspect(images())
    next(stream)
    stream.close()
    assert len(taken) < 6
