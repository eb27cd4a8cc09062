"""Errors of components, with the place in the config that they come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmdefect.errors import InputError

__all__ = ['naming_key']


@contextmanager
def naming_key(where: str) -> Iterator[None]:
    """Say of what fails inside which part of a config it is.

    Args:
        where (str): Config and key.

    Yields:
        None: Inside, a component is built or asked.

    Raises:
        InputError: It has failed.

    Example:
        >>> with naming_key('c.py: Resize'):
        ...     int('abc')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: c.py: Resize: cannot be used (ValueError: invalid literal for \
int() with base 10: 'abc'); correct it
    """
    try:
        yield
    except InputError as error:
        raise InputError(f'{where}: {error}') from None
    # Upstream components check by assert, and not everything.
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        what = f'{type(error).__name__}: {error}'.rstrip(': ')
        raise InputError(f'{where}: cannot be used ({what}); correct it') from None
