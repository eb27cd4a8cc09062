"""Errors that a user can mend.

Every command turns an :class:`InputError` into one line on standard error and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ['InputError', 'nearest_name', 'one_line', 'reject_unknown_keys']

_LONGEST = 2000
_RAISED_AGAIN = 'Caught InputError in '


def one_line(text: str) -> str:
    r"""Make a text fit one printable line: names in annotation files may hold anything.

    Args:
        text (str): The text.

    Returns:
        str: Line ends and whatever else cannot be printed escaped, shortened in the middle to
        2,000 characters.

    Example:
        >>> one_line('a\nb')
        'a\\nb'
    """
    if not text.isprintable():
        text = ''.join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    if len(text) > _LONGEST:
        half = _LONGEST // 2 - 3
        text = f'{text[:half]} ... {text[-half:]}'
    return text


class InputError(ValueError):
    """Input that the user can mend: a file, a key, a class, an image, a checkpoint.

    Args:
        message (str): One line: what is wrong, where (file, key, class, image), and how to
            mend it. Line ends in it are escaped (:func:`one_line`).

    Example:
        >>> raise InputError('train.json: no key "images"; give a COCO file')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: train.json: no key "images"; give a COCO file
    """

    def __init__(self, message: str) -> None:
        if message.startswith(_RAISED_AGAIN):
            # PyTorch raises the error of a loader's worker again, with its traceback as message.
            message = message.rsplit('InputError: ', 1)[-1].strip()
        super().__init__(one_line(message))


def nearest_name(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Find the known name that a misspelt one most likely stands for.

    Args:
        name (str): The name as written.
        known (Iterable[str]): The names that exist.
        cutoff (float): How alike they must be, 0 to 1. Default 0.6.

    Returns:
        str | None: The nearest known name; None when none is near.

    Example:
        >>> nearest_name('gama', ['alpha', 'gamma'])
        'gamma'
    """
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return matches[0] if matches else None


def reject_unknown_keys(component: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keys that a component does not read.

    Args:
        component (str): Name of the component, as in its config ``type``.
        given (Iterable[str]): Keys in the config.
        known (Iterable[str]): Keys that the component reads.

    Raises:
        InputError: A key is not known; the message names it and the nearest known one.

    Example:
        >>> reject_unknown_keys('DefectMetric', ['max_det'], ['max_dets', 'classes'])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: DefectMetric: unknown key 'max_det'; did you mean 'max_dets'?
    """
    known = sorted(known)
    for key in given:
        if key in known:
            continue
        near = nearest_name(key, known)
        hint = f'did you mean {near!r}?' if near else f'known keys: {", ".join(known)}'
        raise InputError(f'{component}: unknown key {key!r}; {hint}')
