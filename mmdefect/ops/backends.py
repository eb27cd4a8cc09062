"""Which implementation serves an operator.

Compiled back ends are looked for when an operator is first called, never at import.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import os

import torch

__all__ = ['OPERATORS', 'available_backends', 'description', 'implementation']

_VARIABLE = 'MMDEFECT_OPS'
_CHOICES = {'torch': 'mmdefect', 'mmcv': 'mmcv', 'torchvision': 'torchvision'}

# (operator, device type) -> compiled back ends that have it, the preferred one first.
_COMPILED = {
    ('nms', 'cpu'): ('mmcv', 'torchvision'),
    ('nms', 'cuda'): ('mmcv', 'torchvision'),
    ('batched_nms', 'cpu'): ('mmcv', 'torchvision'),
    ('batched_nms', 'cuda'): ('mmcv', 'torchvision'),
    ('soft_nms', 'cpu'): ('mmcv',),
    ('soft_nms', 'cuda'): ('mmcv',),
    ('sigmoid_focal_loss', 'cuda'): ('mmcv',),
    ('roi_align', 'cpu'): ('mmcv', 'torchvision'),
    ('roi_align', 'cuda'): ('mmcv', 'torchvision'),
}
# (operator, device type) -> boxes from which ours is the faster one: the compiled CPU versions are
# single-threaded scalar loops over all pairs. Measured against mmcv on two cores.
_OURS_FROM = {
    ('roi_align', 'cpu'): 0,
    ('nms', 'cpu'): 2000,
    ('batched_nms', 'cpu'): 2000,
    ('soft_nms', 'cpu'): 20_000,
}
OPERATORS = ('nms', 'batched_nms', 'soft_nms', 'sigmoid_focal_loss', 'roi_align')

_CURES = {
    'mmcv': 'build mmcv with its compiled ops (MMCV_WITH_OPS=1 and a C++ compiler)',
    'torchvision': 'install the torchvision build that belongs to the installed torch',
}


@functools.cache
def _mmcv_works() -> bool:
    """Whether mmcv is installed with its own compiled ``_ext`` and that library loads."""
    try:
        package = importlib.util.find_spec('mmcv')
        if package is None or package.submodule_search_locations is None:
            return False
        # Looking for the file first keeps mmcv unloaded where it has no compiled ops.
        path = list(package.submodule_search_locations)
        if importlib.machinery.PathFinder.find_spec('mmcv._ext', path) is None:
            return False
        return not getattr(importlib.import_module('mmcv._ext'), '__mmdefect__', False)
    except (ImportError, OSError, RuntimeError, ValueError):
        return False


@functools.cache
def _torchvision_works() -> bool:
    """Whether torchvision's compiled NMS really runs: importing it can succeed without it."""
    try:
        operators = importlib.import_module('torchvision.ops')
        kept = operators.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)
    except (ImportError, OSError, RuntimeError, AttributeError):
        return False
    return kept.tolist() == [0]


_PROBES = {'mmcv': _mmcv_works, 'torchvision': _torchvision_works}


def available_backends() -> tuple[str, ...]:
    """Name the implementations that work in this environment.

    Each compiled back end is probed once per process: mmcv counts when its own compiled library
    loads, torchvision when its compiled NMS returns the right answer for one box.

    Returns:
        tuple[str, ...]: Of ``'mmcv'``, ``'torchvision'`` and ``'mmdefect'``, in this order. The
        last one is always there.

    Example:
        >>> 'mmdefect' in available_backends()
        True
    """
    return (*(name for name, works in _PROBES.items() if works()), 'mmdefect')


def implementation(op: str, device: str = 'cpu', boxes: int = 0) -> str:
    """Say which implementation serves an operator.

    ``MMDEFECT_OPS`` set to ``torch`` (ours), ``mmcv`` or ``torchvision`` chooses; an operator
    that the chosen back end lacks on this device is served by ours. Unset, the compiled version
    is used where there is one and it is the faster one.

    Args:
        op (str): Operator: nms, batched_nms, soft_nms, sigmoid_focal_loss or roi_align.
        device (str): Device type of the tensors, ``'cpu'`` or ``'cuda'``. Default ``'cpu'``.
        boxes (int): Boxes of the call (of one class). Default 0: few.

    Returns:
        str: ``'mmcv'``, ``'torchvision'`` or ``'mmdefect'``.

    Raises:
        ValueError: Unknown operator; ``MMDEFECT_OPS`` is unknown or names what does not work.

    Example:
        >>> implementation('sigmoid_focal_loss')
        'mmdefect'
    """
    if op not in OPERATORS:
        raise ValueError(f'op must be one of {", ".join(OPERATORS)}, got {op!r}')
    key = (op, device)
    compiled = _COMPILED.get(key, ())
    choice = os.environ.get(_VARIABLE, '')
    if not choice:
        if key in _OURS_FROM and boxes >= _OURS_FROM[key]:
            return 'mmdefect'
        return next((name for name in compiled if _PROBES[name]()), 'mmdefect')
    if choice not in _CHOICES:
        raise ValueError(
            f'{_VARIABLE} must be one of {", ".join(_CHOICES)} (or unset), got {choice!r}'
        )
    chosen = _CHOICES[choice]
    if chosen == 'mmdefect':
        return chosen
    if not _PROBES[chosen]():
        raise ValueError(
            f'{_VARIABLE} must be a back end that works here, got {choice!r}, which does not; '
            f'unset it, or {_CURES[chosen]}'
        )
    return chosen if chosen in compiled else 'mmdefect'


def description(op: str, device: str = 'cpu') -> str:
    """Say in words which implementation serves an operator.

    Args:
        op (str): Operator, as for :func:`implementation`.
        device (str): Device type of the tensors. Default ``'cpu'``.

    Returns:
        str: One name, or two with the number of boxes between them.

    Raises:
        ValueError: As for :func:`implementation`.

    Example:
        >>> description('sigmoid_focal_loss')
        'mmdefect'
    """
    few = implementation(op, device)
    limit = _OURS_FROM.get((op, device), 0)
    many = implementation(op, device, limit)
    return few if few == many else f'{few}; {many} from {limit:,} boxes'
