"""SAHI's adapter of MMDetection, and whether its boxes are ours."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import DEVICE


def sahi_step(
    config: Path,
    checkpoint: Path,
    paths: list[str],
    threshold: float,
    merge_iou: float,
    args: argparse.Namespace,
) -> Callable[[], list[Any]]:
    """Make a function that predicts the images with SAHI.

    Args:
        config (Path): Of the detector.
        checkpoint (Path): Its weights.
        paths (list[str]): Image files.
        threshold (float): Lowest score.
        merge_iou (float): IoU above which boxes are merged.
        args (argparse.Namespace): ``tile``, ``overlap`` and ``batch``.

    Returns:
        Callable: Returns SAHI's result of each image.
    """
    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    model = AutoDetectionModel.from_pretrained(
        model_type='mmdet',
        model_path=str(checkpoint),
        config_path=str(config),
        confidence_threshold=threshold,
        device=DEVICE,
    )

    def step() -> list[Any]:
        return [
            get_sliced_prediction(
                path,
                model,
                slice_height=args.tile,
                slice_width=args.tile,
                overlap_height_ratio=args.overlap,
                overlap_width_ratio=args.overlap,
                perform_standard_pred=False,
                postprocess_type='NMS',
                postprocess_match_metric='IOU',
                postprocess_match_threshold=merge_iou,
                verbose=0,
                batch_size=args.batch,
            )
            for path in paths
        ]

    return step


def agreement(ours: list[Any], theirs: list[Any]) -> dict[str, Any]:
    """Count the boxes of both sides and those that agree.

    Args:
        ours (list[Detections]): Of each image.
        theirs (list[PredictionResult]): SAHI's.

    Returns:
        dict[str, Any]: A row for ``print_rows``.
    """
    from mmdefect.ops.overlaps import as_columns, iou

    agreed = total = 0
    for mine, other in zip(ours, theirs, strict=True):
        found = other.object_prediction_list
        boxes = torch.tensor([item.bbox.to_xyxy() for item in found]).reshape(-1, 4)
        scores = torch.tensor([item.score.value for item in found])
        labels = torch.tensor([item.category.id for item in found])
        overlap = iou(as_columns(boxes, 0), as_columns(torch.from_numpy(mine.boxes), 0), 0)
        same = (overlap > 0.9) & (labels[:, None] == torch.from_numpy(mine.labels))
        same &= (scores[:, None] - torch.from_numpy(mine.scores)).abs() < 0.01
        agreed += int(same.any(1).sum())
        total += len(found)
    return {
        'name': 'boxes after merging',
        'ours': sum(map(len, ours)),
        'peer': total,
        'ratio': None,
        'unit': 'boxes',
        'share': agreed / max(total, 1),
    }
