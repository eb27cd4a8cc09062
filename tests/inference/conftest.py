"""A detector whose answer anyone can count: what is bright, is a defect."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData


class SpotDetector(torch.nn.Module):
    """Finds connected bright pixels: score from channel 0, class from channel 1, mask from both."""

    def __init__(self, with_masks: bool = True, broken: bool = False) -> None:
        super().__init__()
        self.with_masks, self.broken = with_masks, broken
        self.batches: list[tuple[int, ...]] = []
        self.scale = torch.nn.Parameter(torch.ones(1))

    def test_step(self, data):
        inputs = data['inputs']
        self.batches.append(tuple(inputs.shape))
        return [
            self.detect(image.permute(1, 2, 0).numpy(), sample)
            for image, sample in zip(inputs, data['data_samples'], strict=True)
        ]

    def detect(self, image, sample):
        bright = (image[..., 0] > 20).astype(np.uint8)
        number, parts, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
        stats = stats[1:]
        boxes = np.hstack([stats[:, :2], stats[:, :2] + stats[:, 2:4]]).astype(np.float32)
        masks = parts[None] == np.arange(1, number)[:, None, None]
        first = [np.argwhere(mask)[0] for mask in masks]
        values = np.array([image[y, x] for y, x in first], np.float32).reshape(-1, image.shape[2])
        scale = np.tile(np.asarray(sample.scale_factor, np.float32), 2)
        found = InstanceData(
            bboxes=torch.from_numpy(boxes / scale),
            scores=torch.from_numpy(values[:, 0] / 255) * (float('nan') if self.broken else 1),
            labels=torch.from_numpy((values[:, 1] > 99).astype(np.int64)),
        )
        if self.with_masks:
            found.masks = torch.from_numpy(masks)
        return SimpleNamespace(pred_instances=found)


@pytest.fixture
def spots():
    """``spots(**kwargs)`` -> a :class:`SpotDetector`."""
    return SpotDetector


@pytest.fixture
def draw_spots():
    """``draw_spots(width, height, seed, largest)`` -> image and its boxes, scores, labels, masks.

    Spots are blobs of at most ``largest`` px that do not touch; each has its own brightness.
    """

    def draw(width, height, seed=0, largest=9, number=12):
        generator = np.random.default_rng(seed)
        image = np.zeros((height, width, 3), np.uint8)
        taken = np.zeros((height + 2, width + 2), bool)
        found = []
        for value in range(number):
            w, h = (int(side) for side in generator.integers(1, largest + 1, 2))
            if w > width or h > height:
                continue
            x, y = (
                int(generator.integers(0, width - w + 1)),
                int(generator.integers(0, height - h + 1)),
            )
            if taken[y : y + h + 2, x : x + w + 2].any():
                continue
            taken[y + 1 : y + h + 1, x + 1 : x + w + 1] = True
            shape = np.ones((h, w), bool)
            # A corner is missing, so that masks are not their boxes.
            shape[: h // 2, : w // 2] = False
            label = value % 2
            image[y : y + h, x : x + w][shape] = (250 - 10 * value, 200 * label, 0)
            mask = np.zeros((height, width), bool)
            mask[y : y + h, x : x + w] = shape
            found.append(((x, y, x + w, y + h), np.float32(250 - 10 * value) / 255, label, mask))
        return image, found

    return draw
