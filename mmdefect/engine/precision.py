"""Float32 where it matters under autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ['keep_head_outputs_float32']

_MARK = '_mmdefect_float32_outputs'


def keep_head_outputs_float32(model: nn.Module) -> int:
    """Let the outputs of every dense head leave autocast in float32.

    Convolutions stay in bfloat16; losses, decoded boxes and NMS scores, which MMDetection
    computes from the head's outputs, are then float32. Calling it again changes nothing.

    Args:
        model (nn.Module): A detector.

    Returns:
        int: How many dense heads the model has.

    Example:
        >>> keep_head_outputs_float32(nn.Linear(1, 1))
        0
    """
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

    heads = [module for module in model.modules() if isinstance(module, BaseDenseHead)]
    for head in heads:
        if not hasattr(head, _MARK):
            setattr(head, _MARK, head.register_forward_hook(_to_float32))
    return len(heads)


def _to_float32(module: nn.Module, inputs: Any, outputs: Any) -> Any:
    if isinstance(outputs, torch.Tensor):
        low = outputs.dtype in (torch.bfloat16, torch.float16)
        return outputs.float() if low else outputs
    if isinstance(outputs, (list, tuple)):
        return type(outputs)(_to_float32(module, inputs, output) for output in outputs)
    return outputs
