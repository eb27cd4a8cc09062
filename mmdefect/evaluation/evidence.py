"""What ``evaluation.json`` holds, besides epoch, checkpoint and date."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmdefect.evaluation.analysis import Analysis, analyse_images
from mmdefect.evaluation.error_types import ERROR_TYPES
from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.iou_distribution import IOU_EDGES, SIZE_EDGES
from mmdefect.structures import EVALUATION_MIN_SCORE

__all__ = ['describe_analysis', 'describe_numbers', 'make_evidence']


def make_evidence(
    images: Sequence[ImageResult],
    classes: Sequence[str],
    max_dets: int,
    evidence_images: int = 2000,
) -> dict[str, Any]:
    """Measure everything on a data set and put it into the form of ``evaluation.json``.

    Args:
        images (Sequence[ImageResult]): All images, the defect-free ones included.
        classes (Sequence[str]): Class names by index.
        max_dets (int): Best-scored detections counted per image and class.
        evidence_images (int): Images whose boxes are listed, the first ones. Default 2000.

    Returns:
        dict[str, Any]: JSON-ready, None where a number is not defined.

    Raises:
        ValueError: A score is not finite.

    Example:
        >>> sorted(make_evidence([], ['scratch'], 100)['metrics'])
        ['AP', 'AP50', 'AP75', 'AR']
    """
    analysis = analyse_images(images, len(classes), max_dets)
    return describe_analysis(analysis, images, classes, max_dets, evidence_images)


def describe_analysis(
    analysis: Analysis,
    images: Sequence[ImageResult],
    classes: Sequence[str],
    max_dets: int,
    evidence_images: int = 2000,
) -> dict[str, Any]:
    """Put an analysis into the form of ``evaluation.json``.

    Args:
        analysis (Analysis): What ``analyse_images`` gave for the images.
        images (Sequence[ImageResult]): All images.
        classes (Sequence[str]): Class names by index.
        max_dets (int): Best-scored detections counted per image and class.
        evidence_images (int): Images whose boxes are listed, the first ones. Default 2000.

    Returns:
        dict[str, Any]: JSON-ready, None where a number is not defined.

    Example:
        >>> describe_analysis(analyse_images([], 1, 100), [], ['scratch'], 100)['images']
        []
    """
    return {
        'max_dets': max_dets,
        # Of the boxes listed below; the metrics count all detections.
        'min_score': EVALUATION_MIN_SCORE,
        **describe_numbers(analysis, classes),
        'images': _image_rows(images[:evidence_images], max_dets),
    }


def describe_numbers(analysis: Analysis, classes: Sequence[str]) -> dict[str, Any]:
    """Put the numbers of an analysis into the form of ``evaluation.json``.

    Args:
        analysis (Analysis): The numbers.
        classes (Sequence[str]): Class names by index.

    Returns:
        dict[str, Any]: JSON-ready, None where a number is not defined.

    Example:
        >>> describe_numbers(analyse_images([], 1, 100), ['scratch'])['images_total']
        0
    """
    scores, table = analysis.scores, analysis.table
    return {
        'classes': list(classes),
        'metrics': {name: _number(value) for name, value in scores.summary().items()},
        'per_class': _class_results(analysis, classes),
        'images_total': analysis.images,
        'pr_curves': [
            {
                'name': name,
                'recall': scores.recall_points.round(4).tolist(),
                'precision': _numbers(scores.precision[index]),
                'score': _numbers(scores.score[index]),
            }
            for index, name in enumerate(classes)
        ],
        'score_table': table.to_dict(),
        'operating': {
            'threshold': analysis.threshold,
            'precision': _number(table.precision()[-1, analysis.at]),
            'recall': _number(table.recall()[-1, analysis.at]),
            'f1': _number(table.f1()[-1, analysis.at]),
            'specificity': _number(table.specificity()[analysis.at]),
            'prevalence': _number(table.prevalence()),
            'false_alarms_per_good_image': _number(
                table.false_alarms_per_good_image()[analysis.at]
            ),
        },
        'iou_histogram': {
            'edges': IOU_EDGES.tolist(),
            'counts': analysis.iou_counts.tolist(),
            'mean_iou': _number(analysis.mean_iou[-1]),
        },
        'recall_by_size': {
            'edges': [float(edge) if math.isfinite(edge) else None for edge in SIZE_EDGES],
            'boxes': analysis.size_truth.tolist(),
            'found': analysis.size_found.tolist(),
        },
        'error_types': {
            name: {
                'counts': analysis.error_counts[:, index].tolist(),
                'dAP50': _number(analysis.mean_gain()[index]),
                'dAP50_per_class': _numbers(analysis.error_gain[:, index]),
            }
            for index, name in enumerate(ERROR_TYPES)
        },
        'confusion': analysis.confusion.tolist(),
    }


def _class_results(analysis: Analysis, classes: Sequence[str]) -> list[dict[str, Any]]:
    scores, table, at = analysis.scores, analysis.table, analysis.at
    shares = analysis.box_shares()
    values = {
        'AP': scores.ap,
        'AP50': scores.ap50,
        'AP75': scores.ap75,
        'AR': scores.ar,
        'precision': table.precision()[:-1, at],
        'recall': table.recall()[:-1, at],
        'f1': table.f1()[:-1, at],
        'mean_iou': analysis.mean_iou[:-1],
        'share_of_boxes': shares,
        'efficiency': scores.ap / np.where(shares > 0, shares, np.nan),
    }
    return [
        {
            'name': name,
            'boxes': int(table.truth[index]),
            'images': int(analysis.class_images[index]),
            **{key: _number(value[index]) for key, value in values.items()},
        }
        for index, name in enumerate(classes)
    ]


def _image_rows(images: Sequence[ImageResult], max_dets: int) -> list[dict[str, Any]]:
    """Boxes of single images; detections from the best score down, so that equal ones stay so."""
    flat = flatten_images(images, max_dets)
    shown = flat.scores >= EVALUATION_MIN_SCORE
    starts = np.searchsorted(flat.image[shown], np.arange(len(images) + 1))
    found = list(
        zip(
            flat.boxes[shown].round(4).tolist(),
            flat.labels[shown].tolist(),
            flat.scores[shown].round(4).tolist(),
            strict=True,
        )
    )
    truth = list(
        zip(
            flat.truth.round(4).tolist(),
            flat.truth_labels.tolist(),
            flat.truth_ignored.astype(int).tolist(),
            strict=True,
        )
    )
    return [
        {
            'path': image.path,
            'width': image.width,
            'height': image.height,
            'ground_truth': [
                [*box, label, ignored]
                for box, label, ignored in truth[
                    flat.truth_start[index] : flat.truth_start[index + 1]
                ]
            ],
            'detections': [
                [*box, label, score]
                for box, label, score in found[starts[index] : starts[index + 1]]
            ],
        }
        for index, image in enumerate(images)
    ]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values.tolist()]
