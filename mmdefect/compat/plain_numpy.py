"""NumPy values out of a checkpoint, rebuilt from shape, number type and raw bytes only.

NumPy's own pickle functions trust what they are given: a pickled dtype may carry flags that make
NumPy take raw bytes for object pointers. The types here stand in for NumPy's while a checkpoint
is read and look at nothing but what numbers need.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ['PlainArray', 'PlainDtype', 'numpy_globals']


class PlainDtype:
    """A number type and its byte order.

    Args:
        code (str): NumPy's code of a boolean, integer, float or complex type, such as 'f8'.
        *_: What NumPy pickles beside it.

    Raises:
        pickle.UnpicklingError: Any other type: strings, objects, structures.

    Example:
        >>> PlainDtype('f8').dtype
        dtype('float64')
    """

    def __init__(self, code: str, *_: Any) -> None:
        dtype = np.dtype(code) if isinstance(code, str) else None
        if dtype is None or dtype.kind not in 'biufc':
            raise pickle.UnpicklingError(f'NumPy type {code!r} is not plain data')
        self.dtype = dtype

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class PlainArray(np.ndarray):
    """An array of numbers read from a checkpoint; it is pickled as an ordinary array.

    Args:
        *_: What NumPy pickles for an array yet to be filled; not looked at.

    Example:
        >>> array = PlainArray()
        >>> array.__setstate__((1, (2,), PlainDtype('u1'), False, b'ab'))
        >>> array.tolist()
        [97, 98]
    """

    def __new__(cls, *_: Any) -> PlainArray:
        """Make an empty array; NumPy's own takes any bytes for an array of objects."""
        return np.zeros(0, np.int8).view(cls)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, PlainDtype):
            raise pickle.UnpicklingError('an array of other things than numbers is not plain data')
        super().__setstate__((1, shape, dtype.dtype, fortran, data))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _scalar(dtype: PlainDtype, data: bytes) -> Any:
    if not isinstance(dtype, PlainDtype):
        raise pickle.UnpicklingError('a scalar of another type than a number is not plain data')
    return np.frombuffer(data, dtype.dtype, count=1)[0]


def numpy_globals() -> list[tuple[Callable[..., Any], str]]:
    """Stand-ins and the names under which NumPy 1 and 2 pickle the originals.

    Returns:
        list[tuple[Callable, str]]: As ``torch.serialization.add_safe_globals`` takes them.

    Example:
        >>> [name for _, name in numpy_globals()][:2]
        ['numpy.dtype', 'numpy.ndarray']
    """
    return [
        (PlainDtype, 'numpy.dtype'),
        (PlainArray, 'numpy.ndarray'),
        (PlainArray, 'numpy._core.multiarray._reconstruct'),
        (PlainArray, 'numpy.core.multiarray._reconstruct'),
        (_scalar, 'numpy._core.multiarray.scalar'),
        (_scalar, 'numpy.core.multiarray.scalar'),
    ]
