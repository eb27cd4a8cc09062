"""Lets mmcv's NMS take the faster implementation, call by call.

MMDetection's heads name their NMS by a string that ``mmcv.ops.nms`` looks up in itself, so a
config cannot name ours. Compiled mmcv visits all pairs of boxes in one thread on a CPU; from a
few thousand boxes on, ours is several times faster (``benchmarks/ops.py``).
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ['choose_per_call']


class _PerCall:
    """Compiled ``mmcv._ext`` as ``mmcv.ops.nms`` sees it."""

    def __init__(self, compiled: ModuleType) -> None:
        self._compiled = compiled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def nms(self, boxes: Any, scores: Any, iou_threshold: float, offset: int) -> Any:
        serving = self._serving('nms', boxes)
        return serving.nms(boxes, scores, iou_threshold=iou_threshold, offset=offset)

    def softnms(self, boxes: Any, *args: Any, **kwargs: Any) -> Any:
        return self._serving('soft_nms', boxes).softnms(boxes, *args, **kwargs)

    def _serving(self, op: str, boxes: Any) -> Any:
        from mmdefect.compat import mmcv_ext
        from mmdefect.ops.backends import implementation

        ours = implementation(op, boxes.device.type, len(boxes)) == 'mmdefect'
        return mmcv_ext if ours else self._compiled


def choose_per_call(module: ModuleType) -> None:
    """Put the choice between ``mmcv.ops.nms`` and its compiled functions.

    ``MMDEFECT_OPS=mmcv`` keeps the compiled ones. Nothing changes where mmcv has none: there
    all calls are ours already.

    Args:
        module (ModuleType): ``mmcv.ops.nms``, after it has loaded.

    Example:
        >>> compiled = ModuleType('mmcv._ext')
        >>> module = ModuleType('mmcv.ops.nms')
        >>> module.ext_module = compiled
        >>> choose_per_call(module)
        >>> choose_per_call(module)
        >>> module.ext_module._compiled is compiled
        True
    """
    extension = module.ext_module
    if not isinstance(extension, _PerCall) and not getattr(extension, '__mmdefect__', False):
        module.ext_module = _PerCall(extension)
