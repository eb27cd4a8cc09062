"""Stand-in for ``mmcv._ext``: mmcv's compiled interface, served by :mod:`mmdefect.ops`.

mmcv's Python wrappers call functions of ``mmcv._ext`` with preallocated outputs. Here each of
them fills those outputs from our ops. An op that has no counterpart raises an error that names
it and the way to get it, when it is called, not when mmcv is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ['MMCVExtension', 'MissingOpError']


_POOL_MODES = ('max', 'avg')  # by mmcv's number


class MissingOpError(RuntimeError):
    """An mmcv op without compiled code and without a counterpart in mmdefect.

    Args:
        name (str): Name in ``mmcv._ext``.

    Example:
        >>> raise MissingOpError('knn_forward')
        Traceback (most recent call last):
        ...
        mmdefect.compat.mmcv_ext.MissingOpError: mmcv op 'knn_forward' is not compiled here and \
mmdefect has no PyTorch version of it; build mmcv with its ops (a C++ compiler, then: \
MMCV_WITH_OPS=1 pip install --no-binary :all: --no-deps onedl-mmcv, or mmcv for the original stack)
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f'mmcv op {name!r} is not compiled here and mmdefect has no PyTorch version of it; '
            'build mmcv with its ops (a C++ compiler, then: MMCV_WITH_OPS=1 pip install '
            '--no-binary :all: --no-deps onedl-mmcv, or mmcv for the original stack)'
        )
        self.name = name

    def __reduce__(self) -> tuple[type[MissingOpError], tuple[str]]:
        # Loader workers send it to the main process.
        return type(self), (self.name,)


def nms(boxes: Any, scores: Any, iou_threshold: float, offset: int) -> Any:
    """``mmcv._ext.nms``: indices kept, best score first."""
    from mmdefect import ops

    return ops.nms(boxes, scores, iou_threshold, offset=offset)


def softnms(
    boxes: Any,
    scores: Any,
    dets: Any,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Any:
    """``mmcv._ext.softnms``: fills ``dets`` (N, 5) and returns the indices kept."""
    from mmdefect import ops

    names = ('naive', 'linear', 'gaussian')
    kept, indices = ops.soft_nms(
        boxes, scores, iou_threshold, sigma, min_score, method=names[method], offset=offset
    )
    dets[: len(kept)] = kept
    return indices


def sigmoid_focal_loss_forward(
    logits: Any, target: Any, weight: Any, output: Any, gamma: float, alpha: float
) -> None:
    """``mmcv._ext.sigmoid_focal_loss_forward``: fills ``output`` (N, C)."""
    from mmdefect.ops.focal_loss import sigmoid_focal_loss_forward as forward

    output.copy_(forward(logits, target, weight if weight.numel() else None, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: Any, target: Any, weight: Any, grad_input: Any, gamma: float, alpha: float
) -> None:
    """``mmcv._ext.sigmoid_focal_loss_backward``: fills ``grad_input`` (N, C)."""
    from mmdefect.ops.focal_loss import sigmoid_focal_loss_backward as backward

    grad_input.copy_(backward(logits, target, weight if weight.numel() else None, gamma, alpha))


def roi_align_forward(
    features: Any,
    rois: Any,
    output: Any,
    argmax_y: Any,
    argmax_x: Any,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """``mmcv._ext.roi_align_forward``: fills ``output`` and, for max, where the maxima lie."""
    from mmdefect.ops.roi_function import Pooling
    from mmdefect.ops.roi_function import roi_align_forward as forward

    bins, mode = (aligned_height, aligned_width), _POOL_MODES[pool_mode]
    pooling = Pooling(bins, (spatial_scale,), sampling_ratio, mode, aligned)
    forward(features, rois, pooling, output, argmax_y, argmax_x)


def roi_align_backward(
    grad_output: Any,
    rois: Any,
    argmax_y: Any,
    argmax_x: Any,
    grad_input: Any,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """``mmcv._ext.roi_align_backward``: fills ``grad_input``."""
    from mmdefect.ops.roi_function import Pooling
    from mmdefect.ops.roi_function import roi_align_backward as backward

    bins, mode = (aligned_height, aligned_width), _POOL_MODES[pool_mode]
    pooling = Pooling(bins, (spatial_scale,), sampling_ratio, mode, aligned)
    backward(grad_output, rois, pooling, argmax_y, argmax_x, grad_input)


def get_compiler_version() -> str:
    """What ``mmcv.ops.get_compiler_version`` reports in environment listings."""
    return 'none (PyTorch ops of mmdefect)'


def get_compiling_cuda_version() -> str:
    """What ``mmcv.ops.get_compiling_cuda_version`` reports in environment listings."""
    return 'not available'


class MMCVExtension(ModuleType):
    """The module object that takes the place of ``mmcv._ext``.

    Args:
        name (str): Module name.

    Example:
        >>> extension = MMCVExtension('mmcv._ext')
        >>> extension.__mmdefect__
        True
        >>> extension.knn_forward()
        Traceback (most recent call last):
        ...
        mmdefect.compat.mmcv_ext.MissingOpError: mmcv op 'knn_forward' is not compiled here and \
mmdefect has no PyTorch version of it; build mmcv with its ops (a C++ compiler, then: \
MMCV_WITH_OPS=1 pip install --no-binary :all: --no-deps onedl-mmcv, or mmcv for the original stack)
    """

    __mmdefect__ = True
    nms = staticmethod(nms)
    softnms = staticmethod(softnms)
    sigmoid_focal_loss_forward = staticmethod(sigmoid_focal_loss_forward)
    sigmoid_focal_loss_backward = staticmethod(sigmoid_focal_loss_backward)
    roi_align_forward = staticmethod(roi_align_forward)
    roi_align_backward = staticmethod(roi_align_backward)
    get_compiler_version = staticmethod(get_compiler_version)
    get_compiling_cuda_version = staticmethod(get_compiling_cuda_version)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # mmcv checks at import that each name exists; dunders must stay absent.
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> Any:
            raise MissingOpError(name)

        missing.__name__ = name
        return missing
