"""Images and boxes on their way through the pipeline, clean images above all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmdefect.datasets.images import read_image
from mmdefect.datasets.labelled_boxes import labels_of
from mmdefect.datasets.seeded_draw import seeded
from mmdefect.engine.browse.samples import Sample
from mmdefect.engine.browse.views import split_views
from mmdefect.engine.check.data_counts import DataFlow
from mmdefect.engine.check.findings import Finding
from mmdefect.errors import InputError

__all__ = ['measure_flow', 'time_loading']

# Images with and images without boxes that go through the pipeline, and when to stop early.
_SAMPLES = 24
_SECONDS = 20.0
# Images that are loaded to measure the time it takes.
_TIMED = 9


def measure_flow(dataset: Any, flow: DataFlow, seed: int = 0) -> None:
    """Send some images through the pipeline and see what comes out; fills ``flow`` in place.

    Args:
        dataset (Dataset): The data set that ``flow`` is about.
        flow (DataFlow): Its counts.
        seed (int): Seed of choice and augmentation. Default 0.

    Raises:
        Exception: Whatever the pipeline raises, but for steps that return no sample, which are
            counted.

    Example:
        >>> flow = DataFlow('train', 0, 0, 0, 0, {}, 0)
        >>> measure_flow([], flow)
        >>> flow.good_tried
        0
    """
    order = np.random.default_rng(seed).permutation(len(dataset)).tolist()
    wanted = {True: _SAMPLES, False: _SAMPLES}
    times: list[float] = []
    deep: list[int] = []
    start = time.perf_counter()
    for index in order:
        if not any(wanted.values()) or time.perf_counter() - start > _SECONDS:
            break
        info = dataset.get_data_info(index)
        labels = labels_of(info)
        if not wanted[not labels]:
            continue
        wanted[not labels] -= 1
        before = time.perf_counter()
        item = _prepare(dataset, index, seed, flow)
        times.append(time.perf_counter() - before)
        arrived = None if item is None else _boxes_of(item)
        if labels:
            flow.marked_tried += 1
            flow.boxes_tried += len(labels)
            flow.boxes_arrived += min(arrived or 0, len(labels))
            flow.marked_arrived += bool(arrived) or not flow.labelled
        else:
            flow.good_tried += 1
            flow.good_arrived += item is not None
        deep += _brightest(dataset, info)
    if len(times) > 1:
        # The first image also pays for what loads late.
        flow.seconds_per_image = float(np.median(times[1:]))
    _judge(flow, dataset, deep)


def time_loading(dataset: Any, seed: int = 0) -> float | None:
    """Measure how long one process takes for one sample, mosaics and the like included.

    Args:
        dataset (Dataset): What the loader loads from.
        seed (int): Seed of choice and augmentation. Default 0.

    Returns:
        float | None: Median seconds per sample; None where there are fewer than two.

    Example:
        >>> time_loading(range(5)) < 1
        True
    """
    order = np.random.default_rng(seed).permutation(len(dataset))[:_TIMED].tolist()
    times: list[float] = []
    for index in order:
        start = time.perf_counter()
        with seeded(seed, index):
            _ = dataset[index]
        times.append(time.perf_counter() - start)
        if sum(times) > _SECONDS:
            break
    # The first image also pays for what loads late.
    return float(np.median(times[1:])) if len(times) > 1 else None


def _prepare(dataset: Any, index: int, seed: int, flow: DataFlow) -> dict[str, Any] | None:
    try:
        with seeded(seed, index):
            return dataset.prepare_data(index)
    except InputError as error:
        if 'returned no sample' not in str(error):
            raise
        if not any(finding.severity == 'problem' for finding in flow.findings):
            flow.findings.append(Finding('problem', flow.name, str(error)))
        return None


def _boxes_of(item: dict[str, Any]) -> int:
    if 'views' in item:
        return sum(_boxes_of(view) for view in item['views'])
    if 'inputs' not in item:
        # Packed by what wraps this data set.
        return len(item.get('gt_bboxes', ()))
    counts = []
    for _, data in split_views(Sample(0, 0, None, item)).values():
        truth = getattr(data, 'gt_instances', None)
        counts.append(0 if truth is None or 'bboxes' not in truth else len(truth.bboxes))
    return max(counts, default=0)


def _brightest(dataset: Any, info: Mapping[str, Any]) -> list[int]:
    """Largest value of the file where it has 16 bits and our loader takes all 16."""
    step = next(iter(getattr(getattr(dataset, 'pipeline', None), 'transforms', ())), None)
    if type(step).__name__ != 'LoadImage' or getattr(step, 'bit_depth', 0) not in (None, 14, 16):
        return []
    pixels = read_image(info['img_path'], bit_depth=16, channels=1)
    return [] if pixels.dtype == np.uint8 else [round(float(pixels.max(initial=0)) * 257)]


def _judge(flow: DataFlow, dataset: Any, deep: Sequence[int]) -> None:
    """Findings about what does not arrive."""
    if flow.lost_by_filter:
        flow.findings.append(
            Finding(
                'problem',
                f'{flow.name} filter_cfg',
                f'{flow.lost_by_filter} of {flow.good_before} good images are dropped before '
                'training',
                'set filter_empty_gt=False',
            )
        )
    lost = flow.good_tried - flow.good_arrived
    if lost and not flow.findings:
        flow.findings.append(
            Finding(
                'problem',
                f'{flow.name} pipeline',
                f'{lost} of {flow.good_tried} good images tried are dropped by the pipeline, and '
                'random other images take their place',
                'RandomCrop: allow_negative_crop=True; FilterAnnotations: keep_empty=False',
            )
        )
    if flow.labelled and 0 < flow.boxes_arrived < 0.5 * flow.boxes_tried:
        flow.findings.append(
            Finding(
                'warning',
                f'{flow.name} pipeline',
                f'only {flow.boxes_arrived} of {flow.boxes_tried} boxes tried arrive at the model',
                'crop less, or look at `mmdefect browse`',
            )
        )
    if flow.labelled and flow.boxes_tried and not flow.boxes_arrived:
        flow.findings.append(
            Finding(
                'problem' if not getattr(dataset, 'test_mode', False) else 'warning',
                f'{flow.name} pipeline',
                f'none of {flow.boxes_tried} boxes tried arrives at the model',
                "add dict(type='LoadAnnotations', with_bbox=True)",
            )
        )
    if deep:
        _judge_depth(flow, dataset.pipeline.transforms[0].bit_depth, max(deep))


def _judge_depth(flow: DataFlow, stated: int | None, brightest: int) -> None:
    """16 bits that nobody stated are a mistake where the files fill fewer."""
    likely = next(bits for bits in (10, 12, 14, 16) if brightest < 2**bits)
    used = stated or 16
    if likely < used:
        flow.findings.append(
            Finding(
                'warning' if stated else 'problem',
                f'{flow.name} LoadImage',
                f'16-bit files reach {brightest} at most, so with bit_depth={used} the images are '
                f'{2 ** (used - likely)} times too dark',
                f'set bit_depth={likely}',
            )
        )
