"""What the speed benchmarks time: our detectors, the stock ones, and a batch."""

from __future__ import annotations

import copy
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from timing import DEVICE

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = {
    'Faster R-CNN R18': 'faster_rcnn/faster_rcnn_r18_fpn_neu-det.py',
    'RetinaNet R18': 'retinanet/retinanet_r18_fpn_neu-det.py',
    'RTMDet-tiny': 'rtmdet/rtmdet_tiny_neu-det.py',
}


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
    config = load_config(CONFIGS[name])
    models = {'ours': build(config)}
    if stock:
        models['stock'] = build(with_stock_parts(config))
        models['stock'].load_state_dict(models['ours'].state_dict())
    return models


def load_config(path: str) -> Any:
    """Read the model of a config.

    Args:
        path (str): Below ``configs``.

    Returns:
        ConfigDict: Its ``model``.
    """
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    warnings.filterwarnings('ignore')
    DefaultScope.get_instance('benchmark', scope_name='mmdet')
    os.environ.setdefault('MMDEFECT_DATA', 'data')
    return Config.fromfile(ROOT / 'configs' / path).model


def build(config: Any) -> Any:
    """Build a model with the random weights of seed 0.

    Args:
        config (ConfigDict): Of the model.

    Returns:
        nn.Module: The model, on ``DEVICE``.
    """
    from mmdet.registry import MODELS

    torch.manual_seed(0)
    return MODELS.build(config).to(DEVICE)


def with_stock_parts(detector: Any) -> Any:
    """What a config of MMDetection has: mmcv's RoIAlign, level by level.

    Args:
        detector (ConfigDict): Of a detector; not changed.

    Returns:
        ConfigDict: A copy.
    """
    detector = copy.deepcopy(detector)
    if 'roi_head' in detector:
        detector.roi_head.bbox_roi_extractor.type = 'SingleRoIExtractor'
    return detector


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
