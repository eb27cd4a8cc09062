"""Seconds of `DefectMetric` against MMDetection's `CocoMetric`, alternating in one run.

    python benchmarks/metric.py [--images 5000] [--detections 100] [--rounds 3] [--json]

Both take the same model outputs, tensors as a detector gives them; measured is `process` in
batches of 8 plus `evaluate`, with a new metric each time. Medians over the rounds. AP, AP50 and
AP75 of the two must agree to 1e-6, or the script fails. `CocoMetric` prints AP and AR by area;
`DefectMetric` adds the score table, IoU and size distributions, error types, confusion matrix and
the boxes for the report. The fork's `FasterCocoMetric` is measured too where it exists.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.engine.launch import run

CLASSES = ('crazing', 'inclusion', 'patches', 'pitted', 'rolled-in', 'scratches')
_SIZE = 512


def make_samples(images: int, detections: int, seed: int = 0) -> list[dict[str, Any]]:
    """Draw ground truth and detections: shifted copies of the boxes, and clutter.

    Args:
        images (int): Images; three in ten have no box, the others 1 to 7.
        detections (int): Detections per image.
        seed (int): Seed of the generator. Default 0.

    Returns:
        list[dict[str, Any]]: Data samples as the evaluator hands them to a metric.
    """
    generator = np.random.default_rng(seed)
    samples = []
    for index in range(images):
        count = 0 if generator.random() < 0.3 else int(generator.integers(1, 8))
        truth, labels = _boxes(generator, count), generator.integers(0, len(CLASSES), count)
        copies = min(detections, 8 * count)
        source = generator.integers(0, max(count, 1), copies)
        near = truth[source] + generator.normal(0, 8, (copies, 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        drawn = generator.integers(0, len(CLASSES), detections)
        right = generator.random(copies) < 0.8
        drawn[:copies][right] = labels[source][right]
        scores = generator.random(detections)
        scores[copies:] *= 0.6
        order = np.argsort(-scores)
        boxes = np.concatenate([near, _boxes(generator, detections - copies)])[order]
        samples.append(
            {
                'img_id': index,
                'img_path': f'{index}.png',
                'ori_shape': (_SIZE, _SIZE),
                'instances': [
                    {'bbox': box, 'bbox_label': label, 'ignore_flag': 0}
                    for box, label in zip(truth.tolist(), labels.tolist(), strict=True)
                ],
                # The same boxes again, where FasterCocoMetric looks for them.
                'gt_instances': {
                    'bboxes': torch.from_numpy(truth),
                    'labels': torch.from_numpy(labels),
                },
                'pred_instances': {
                    'bboxes': torch.from_numpy(boxes.astype(np.float32)),
                    'labels': torch.from_numpy(drawn[order]),
                    'scores': torch.from_numpy(scores[order].astype(np.float32)),
                },
            }
        )
    return samples


def _boxes(generator: np.random.Generator, count: int) -> np.ndarray:
    corner = generator.uniform(0, _SIZE * 0.7, (count, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(8, _SIZE * 0.3, (count, 2))], axis=1)
    # COCO's JSON and our arrays shall hold the same numbers.
    return boxes.astype(np.float32).astype(np.float64)


def metrics_to_compare() -> dict[str, Callable[[], Any]]:
    """Makers of the metrics: ours, CocoMetric and, where it exists, FasterCocoMetric.

    Returns:
        dict[str, Callable[[], Any]]: Name and maker, ours first.
    """
    from mmdet.evaluation import CocoMetric

    from mmdefect.evaluation import DefectMetric

    makers: dict[str, Callable[[], Any]] = {'DefectMetric': DefectMetric, 'CocoMetric': CocoMetric}
    with contextlib.suppress(ImportError):
        from mmdet.evaluation.metrics.faster_coco_metric import FasterCocoMetric

        makers['FasterCocoMetric'] = FasterCocoMetric
    return makers


def exact_coco_results() -> list[list[float]]:
    """Have CocoMetric leave its unrounded AP, AP50 and AP75 behind.

    Returns:
        list[list[float]]: Filled by every later evaluation of CocoMetric.
    """
    from mmdet.evaluation.metrics import coco_metric

    exact: list[list[float]] = []

    class Recording(coco_metric.COCOeval):
        def summarize(self) -> None:
            super().summarize()
            exact.append([float(value) for value in self.stats[:3]])

    coco_metric.COCOeval = Recording
    return exact


def time_metric(make: Callable[[], Any], samples: list[dict[str, Any]]) -> tuple[float, dict]:
    """Process all samples in batches of 8 and evaluate.

    Args:
        make (Callable[[], Any]): Makes the metric.
        samples (list[dict[str, Any]]): Data samples.

    Returns:
        tuple[float, dict]: Seconds and the metric's results.
    """
    metric = make()
    metric.dataset_meta = {'classes': CLASSES}
    start = time.perf_counter()
    for first in range(0, len(samples), 8):
        metric.process({}, samples[first : first + 8])
    results = metric.evaluate(len(samples))
    return time.perf_counter() - start, results


def measure(images: int, detections: int, rounds: int) -> dict[str, float]:
    """Time all metrics in turn and check that the average precisions agree.

    Args:
        images (int): Images.
        detections (int): Detections per image.
        rounds (int): Rounds; every metric runs once in each.

    Returns:
        dict[str, float]: Median seconds per metric.

    Raises:
        ValueError: AP, AP50 or AP75 differ by more than 1e-6.
    """
    from mmengine.logging import MMLogger

    MMLogger.get_instance('benchmark', log_level=logging.ERROR)
    samples = make_samples(images, detections)
    makers, exact = metrics_to_compare(), exact_coco_results()
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    ours: list[float] = []
    for number in range(rounds):
        for name, make in makers.items():
            taken, results = time_metric(make, samples)
            seconds[name].append(taken)
            if name == 'DefectMetric':
                ours = [results[f'mmdefect/{key}'] for key in ('AP', 'AP50', 'AP75')]
            print(f'round {number + 1}: {name} {taken:.2f} s')
    difference = max(abs(one - other) for one, other in zip(ours, exact[-1], strict=True))
    print(f'AP, AP50, AP75: {ours}; largest difference from CocoMetric {difference:.1e}')
    if not difference <= 1e-6:
        raise ValueError(f'AP differs from CocoMetric: {ours} against {exact[-1]}')
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Measure and print seconds per metric."""
    from machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--detections', type=int, default=100, help='per image, at most 100')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        seconds = measure(args.images, args.detections, args.rounds)
        machine = describe_machine()
    own = seconds.pop('DefectMetric')
    rows = [
        {
            'name': f'DefectMetric against {name}, {args.images} images x {args.detections}',
            'ours': own,
            'peer': peer,
            'ratio': peer / own,
            'unit': 's',
        }
        for name, peer in seconds.items()
    ]
    if args.json:
        print(json.dumps({'machine': machine, 'rows': rows}))
    else:
        print(f'machine: {machine}')
        for row in rows:
            print(f'{row["name"]}: {own:.2f} s, {row["peer"]:.2f} s, ratio {row["ratio"]:.2f}')


if __name__ == '__main__':
    run(lambda _: main())
