"""What the speed benchmarks share: ours and stock, a batch, alternating clocks, the output."""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from machine import describe_machine

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = {
    'Faster R-CNN R18': 'faster_rcnn/faster_rcnn_r18_fpn_neu-det.py',
    'RetinaNet R18': 'retinanet/retinanet_r18_fpn_neu-det.py',
    'RTMDet-tiny': 'rtmdet/rtmdet_tiny_neu-det.py',
}
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def use_compiled_environment() -> None:
    """Go on in ``.venv-compiled`` where it exists and this environment has no compiled mmcv."""
    folder = ROOT / '.venv-compiled'
    if not has_compiled_mmcv() and (folder / '.compiled').is_file():
        python = str(folder / 'bin' / 'python')
        os.execv(python, [python, *sys.argv])


def has_compiled_mmcv() -> bool:
    """Whether mmcv has its compiled ops here, so that stock MMDetection runs."""
    from mmdefect.ops.backends import available_backends

    return 'mmcv' in available_backends()


def build_models(name: str, stock: bool = True) -> dict[str, Any]:
    """Our model and the stock one of the same architecture and weights.

    Args:
        name (str): Key of ``CONFIGS``.
        stock (bool): Build the stock one too. Default True.

    Returns:
        dict[str, Any]: ``ours`` and, where asked for, ``stock``.
    """
    from mmdet.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    warnings.filterwarnings('ignore')
    DefaultScope.get_instance('benchmark', scope_name='mmdet')
    os.environ.setdefault('MMDEFECT_DATA', 'data')
    config = Config.fromfile(ROOT / 'configs' / CONFIGS[name]).model
    torch.manual_seed(0)
    models = {'ours': MODELS.build(config).to(DEVICE)}
    if stock:
        if 'roi_head' in config:
            # What a config of MMDetection has: mmcv's RoIAlign, level by level.
            config.roi_head.bbox_roi_extractor.type = 'SingleRoIExtractor'
        models['stock'] = MODELS.build(config).to(DEVICE)
        models['stock'].load_state_dict(models['ours'].state_dict())
    return models


def on_compiled_ops(step: Callable[[], Any]) -> Callable[[], Any]:
    """Let a stock step use nothing but mmcv's compiled operators.

    Args:
        step (Callable): What to time.

    Returns:
        Callable: The same, run under ``MMDEFECT_OPS=mmcv``.
    """

    def run() -> None:
        with patch.dict(os.environ, MMDEFECT_OPS='mmcv'):
            step()

    return run


def make_batch(size: int, images: int, classes: int = 6, boxes: int = 4) -> dict[str, Any]:
    """Grey noise with boxes, as a data loader would hand it over.

    Args:
        size (int): Width and height in pixels.
        images (int): Images in the batch.
        classes (int): Classes of the boxes. Default 6.
        boxes (int): Boxes per image. Default 4.

    Returns:
        dict[str, Any]: ``inputs`` and ``data_samples``.
    """
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    generator = np.random.default_rng(0)
    batch: dict[str, Any] = {'inputs': [], 'data_samples': []}
    for _ in range(images):
        pixels = generator.integers(0, 256, (3, size, size), np.uint8)
        corners = generator.uniform(0, 0.6 * size, (boxes, 2))
        sides = generator.uniform(0.1 * size, 0.4 * size, (boxes, 2))
        truth = InstanceData(
            bboxes=torch.from_numpy(np.hstack([corners, corners + sides]).astype(np.float32)),
            labels=torch.from_numpy(generator.integers(0, classes, boxes)),
        )
        sample = DetDataSample(
            metainfo={
                'img_shape': (size, size),
                'ori_shape': (size, size),
                'scale_factor': (1.0, 1.0),
                'batch_input_shape': (size, size),
                'pad_shape': (size, size),
            },
            gt_instances=truth.to(DEVICE),
        )
        batch['inputs'].append(torch.from_numpy(pixels))
        batch['data_samples'].append(sample)
    return batch


def alternate(
    steps: dict[str, Callable[[], Any]], rounds: int, repeats: int, warm_up: int = 2
) -> dict[str, dict[str, float]]:
    """Time functions in turn, so that what else the machine does meets all of them.

    Args:
        steps (dict[str, Callable]): What to time, by name.
        rounds (int): Turns.
        repeats (int): Calls in a turn; their mean is one sample.
        warm_up (int): Calls before the clock starts. Default 2.

    Returns:
        dict[str, dict[str, float]]: Per name ``seconds``, the median of a call, and ``spread``,
        half the range of the middle half.
    """
    samples: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(warm_up):
            step()
    for _ in range(rounds):
        for name, step in steps.items():
            gc.collect()
            _synchronise()
            start = time.perf_counter()
            for _ in range(repeats):
                step()
            _synchronise()
            samples[name].append((time.perf_counter() - start) / repeats)
    return {name: _summary(values) for name, values in samples.items()}


def _synchronise() -> None:
    if DEVICE == 'cuda':
        torch.cuda.synchronize()


def _summary(values: list[float]) -> dict[str, float]:
    low, high = np.percentile(values, [25, 75])
    return {'seconds': statistics.median(values), 'spread': float(high - low) / 2}


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows with the machine they come from.

    Args:
        rows (list[dict]): ``name``, ``ours``, ``peer`` (None without one), ``ratio`` (above 1:
            ours is better), ``unit`` and ``spread``, the relative half range of the middle half.
        as_json (bool): One JSON object instead of lines.
    """
    machine = describe_machine()
    if as_json:
        print(json.dumps({'machine': machine, 'rows': rows}))
        return
    print(f'machine: {machine}')
    for row in rows:
        against = f'peer {row["peer"]:.4g}, ratio {row["ratio"]:.2f}' if row['peer'] else 'no peer'
        print(f'{row["name"]}: {row["ours"]:.4g} {row["unit"]} (±{row["spread"]:.0%}), {against}')
