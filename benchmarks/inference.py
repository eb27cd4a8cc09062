"""Inference: stock MMDetection in float32 against ours in float32 and bfloat16.

    python benchmarks/inference.py [--models ...] [--size 224] [--batch 8] [--rounds 5] [--json]

As benchmarks/train_step.py, for the prediction of one batch, boxes after NMS.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from timing import DEVICE
from train_step import report

from mmdefect.engine.launch import run
from mmdefect.engine.precision import autocast_layers, low_precision


def prediction(model: torch.nn.Module, batch: dict[str, Any], half: bool) -> Callable[[], None]:
    """Make a function that predicts a batch.

    Args:
        model (nn.Module): A detector.
        batch (dict): What its data preprocessor takes.
        half (bool): Layers in bfloat16.

    Returns:
        Callable: The prediction.
    """
    data = model.data_preprocessor(batch, False)

    def step() -> None:
        model.eval()
        context = autocast_layers(model, DEVICE, low_precision(DEVICE)) if half else nullcontext()
        with torch.inference_mode(), context:
            model(**data, mode='predict')

    return step


if __name__ == '__main__':
    run(lambda _: report('inference', prediction, __doc__.splitlines()[0]))
