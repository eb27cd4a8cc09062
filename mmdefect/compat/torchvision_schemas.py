"""Operator schemas that ``import torchvision`` expects although its library cannot load.

A registry's torchvision wheel beside a CPU build of torch (or another torch build) finds no
loadable ``_C`` library and then dies with "operator torchvision::nms does not exist", because
it registers shape functions for operators that nobody declared. Declaring the names is enough:
the import succeeds, and calling such an operator still fails with torch's own clear error.
"""

from __future__ import annotations

import functools
import importlib.machinery
from pathlib import Path

__all__ = ['declare_missing_schemas', 'library_error']

# Operators whose shape functions torchvision registers without checking that they exist.
_SCHEMAS = (
    'nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    'qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
)


@functools.cache
def library_error() -> str | None:
    """Try to load torchvision's compiled library.

    Returns:
        str | None: Why it cannot load; None when it can, or when torchvision is not installed.

    Example:
        >>> reason = library_error()
        >>> reason is None or isinstance(reason, str)
        True
    """
    import torch

    spec = importlib.machinery.PathFinder.find_spec('torchvision')
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    libraries = sorted(
        path
        for suffix in importlib.machinery.EXTENSION_SUFFIXES
        for path in folder.glob(f'_C*{suffix}')
    )
    if not libraries:
        return f'no compiled library in {folder.name}'
    try:
        torch.ops.load_library(str(libraries[0]))
    except OSError as error:
        return str(error).splitlines()[0]
    return None


@functools.cache
def declare_missing_schemas() -> None:
    """Declare the schemas, only when torchvision's own library cannot load.

    Example:
        >>> declare_missing_schemas()
        >>> import torchvision
    """
    if library_error() is None:
        return
    import torch

    library = torch.library.Library('torchvision', 'FRAGMENT')
    for schema in _SCHEMAS:
        library.define(schema)
    # The declarations live as long as this object.
    declare_missing_schemas.library = library  # type: ignore[attr-defined]
