"""Errors that a user can mend.

Every command turns an :class:`InputError` into one line on standard error and exit code 2.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Iterable
from typing import Any, TypeVar

__all__ = [
    'ImageFileError', 'InputError', 'constructor_keys', 'nearest_name', 'one_line',
    'reject_unknown_keys', 'strict_keys',
]  # fmt: skip

_Kind = TypeVar('_Kind', bound=type)
_LONGEST = 2000


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
        kind = type(self).__name__
        if message.startswith(f'Caught {kind} in '):
            # PyTorch raises the error of a loader's worker again, with its traceback as message.
            message = message.rsplit(f'{kind}: ', 1)[-1].strip()
        super().__init__(one_line(message))


class ImageFileError(InputError):
    """An image file that is missing or cannot be decoded.

    Args:
        message (str): As of :class:`InputError`.

    Example:
        >>> raise ImageFileError('a.png: image file is missing; check the path')
        Traceback (most recent call last):
        ...
        mmdefect.errors.ImageFileError: a.png: image file is missing; check the path
    """


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
        rest = f'known keys: {", ".join(known)}' if known else 'it takes none'
        hint = f'did you mean {near!r}?' if near else rest
        raise InputError(f'{component}: unknown key {key!r}; {hint}')


def constructor_keys(kind: type) -> tuple[str, ...]:
    """Name the keys that a constructor reads, those that it hands on to its bases included.

    Args:
        kind (type): A class.

    Returns:
        tuple[str, ...]: Parameters of its ``__init__``, and while that takes ``**kwargs`` those
        of the next base's.

    Example:
        >>> class Head:
        ...     def __init__(self, channels): ...
        >>> class FocalHead(Head):
        ...     def __init__(self, gamma, **kwargs): ...
        >>> constructor_keys(FocalHead)
        ('gamma', 'channels')
    """
    keys: dict[str, None] = {}
    for base in kind.__mro__:
        if base is object or '__init__' not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)['__init__']).parameters.values())[1:]
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        keys.update(dict.fromkeys(item.name for item in parameters if item.kind not in variadic))
        if all(item.kind != inspect.Parameter.VAR_KEYWORD for item in parameters):
            break
    return tuple(keys)


def strict_keys(kind: _Kind) -> _Kind:
    """Class decorator: a misspelt or missing key of the constructor is an :class:`InputError`.

    For components with keys that have no default. Without it a misspelt one is a ``TypeError``
    that names the key it should have been, and not what is written in the config.

    Args:
        kind (type): A class whose ``__init__`` is changed in place.

    Returns:
        type: The class.

    Example:
        >>> @strict_keys
        ... class Fusion:
        ...     def __init__(self, channels): ...
        >>> Fusion(chanels=8)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: Fusion: unknown key 'chanels'; did you mean 'channels'?
    """
    init: Any = vars(kind)['__init__']
    signature = inspect.signature(init)
    known = constructor_keys(kind)

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        reject_unknown_keys(kind.__name__, kwargs, known)
        given = signature.bind_partial(self, *args, **kwargs).arguments
        for name, item in signature.parameters.items():
            variadic = item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
            if name not in given and item.default is item.empty and not variadic:
                raise InputError(f'{kind.__name__}: key {name!r} is missing; give it')
        init(self, *args, **kwargs)

    kind.__init__ = checked  # type: ignore[misc]
    return kind
