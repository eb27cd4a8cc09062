"""Mixed precision of a model's layers, float32 for everything between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import nn

from mmdefect.models import MultiLevelRoIExtractor

__all__ = ['autocast_layers', 'low_precision']


@contextmanager
def autocast_layers(model: nn.Module, device_type: str, dtype: torch.dtype) -> Iterator[None]:
    """Run backbones, necks and heads under autocast, and nothing else.

    Anchors, decoded boxes, RoIs, projections between views, NMS and losses are computed between
    the layers and so stay float32: under an autocast around the whole step a matrix product of
    coordinates would be rounded to bfloat16 (333 becomes 332). Features pass from layer to layer
    in ``dtype``; what a head returns is float32. MMDetection's RoI extractors get float32
    features, as they cast the RoIs to the type of these and compiled operators know no bfloat16;
    :class:`mmdefect.models.MultiLevelRoIExtractor` takes the features as they are. On CPUs,
    convolutions whose stride is wider than their input, such as the last level of a pyramid of a
    64 px image, compute in float32: the bfloat16 weight gradient of oneDNN (3.12) reads
    memory there that nobody wrote, and is NaN now and then.

    Args:
        model (nn.Module): A detector, classifier or semi-supervised detector of OpenMMLab.
        device_type (str): ``'cpu'`` or ``'cuda'``.
        dtype (torch.dtype): ``torch.bfloat16`` or ``torch.float16``.

    Yields:
        None: Calls of the model inside compute in mixed precision.

    Example:
        >>> class Detector(BaseModel):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.backbone = nn.Linear(2, 2)
        ...         self.bbox_head = nn.Linear(2, 2)
        ...     def forward(self, inputs):
        ...         features = self.backbone(inputs)
        ...         return features, self.bbox_head(features)
        >>> detector = Detector()
        >>> with autocast_layers(detector, 'cpu', torch.bfloat16):
        ...     [output.dtype for output in detector(torch.ones(1, 2))]
        [torch.bfloat16, torch.float32]
    """
    handles = []
    running: list[torch.autocast] = []

    def enter(module: nn.Module, inputs: Any) -> None:
        running.append(torch.autocast(device_type, dtype=dtype))
        running[-1].__enter__()

    def leave(module: nn.Module, inputs: Any, outputs: Any) -> None:
        running.pop().__exit__(None, None, None)

    def widen(module: nn.Module, inputs: Any, outputs: Any) -> Any:
        return _to_float32(outputs)

    def widen_inputs(module: nn.Module, inputs: Any, kwargs: Any) -> Any:
        return _to_float32(inputs), _to_float32(kwargs)

    outside: list[torch.autocast] = []

    def enter_narrow(conv: nn.Conv2d, inputs: Any) -> Any:
        narrow = inputs[0].shape[-1] < conv.stride[1]
        if not narrow or not torch.is_autocast_enabled(device_type):
            return None
        outside.append(torch.autocast(device_type, enabled=False))
        outside[-1].__enter__()
        return _to_float32(inputs)

    def leave_narrow(conv: nn.Conv2d, inputs: Any, outputs: Any) -> Any:
        if not outside:
            return None
        outside.pop().__exit__(None, None, None)
        return None if outputs is None else outputs.to(dtype)

    for name, layer in _layers(model):
        if name.endswith('roi_extractor'):
            if not isinstance(layer, MultiLevelRoIExtractor):
                handles.append(layer.register_forward_pre_hook(widen_inputs, with_kwargs=True))
            continue
        handles.append(layer.register_forward_pre_hook(enter))
        handles.append(layer.register_forward_hook(leave, always_call=True))
        if name.endswith('head'):
            handles.append(layer.register_forward_hook(widen))
    # After the layers, as a layer can be a convolution itself.
    for conv in model.modules() if device_type == 'cpu' else ():
        if isinstance(conv, nn.Conv2d) and conv.stride[1] > 1:
            handles.append(conv.register_forward_pre_hook(enter_narrow))
            handles.append(conv.register_forward_hook(leave_narrow, prepend=True, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def low_precision(device_type: str) -> torch.dtype:
    """The 16-bit type that a device computes in.

    Args:
        device_type (str): ``'cpu'`` or ``'cuda'``.

    Returns:
        torch.dtype: bfloat16; float16 on GPUs that lack it.

    Example:
        >>> low_precision('cpu')
        torch.bfloat16
    """
    lacks = device_type == 'cuda' and not torch.cuda.is_bf16_supported()
    return torch.float16 if lacks else torch.bfloat16


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of what computes: backbone, neck, heads; of a RoI head its parts."""
    if not any(True for _ in model.children()):
        yield '', model
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((name, part) for part in child)
        elif isinstance(child, BaseModel) or hasattr(child, 'bbox_roi_extractor'):
            yield from _layers(child)
        elif not isinstance(child, BaseDataPreprocessor):
            yield name, child


def _to_float32(outputs: Any) -> Any:
    if isinstance(outputs, torch.Tensor):
        low = outputs.dtype in (torch.bfloat16, torch.float16)
        return outputs.float() if low else outputs
    if isinstance(outputs, (list, tuple)):
        return type(outputs)(_to_float32(output) for output in outputs)
    if isinstance(outputs, dict):
        return {name: _to_float32(output) for name, output in outputs.items()}
    return outputs
