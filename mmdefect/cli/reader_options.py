"""Options that commands share because the readers have such keys."""

from __future__ import annotations

import re
from enum import Enum

from mmdefect.errors import InputError

__all__ = ['UnlabelledOption', 'class_names', 'class_values', 'name_options']


class UnlabelledOption(str, Enum):
    """What an image without annotation is.

    Example:
        >>> UnlabelledOption('good').name
        'good'
    """

    error = 'raise'
    good = 'good'
    skip = 'skip'


# Cures that readers name by their keys.
_OPTIONS = (
    (r"on_error='drop'", '--drop-bad'),
    (r"\bunlabelled='(\w+)'", r'--unlabelled \1'),
    (r'\bclasses=\[\.\.\.\]', '--classes NAME,...'),
    (r'\bclasses=\{(\d+): \.\.\.\}', r'--classes \1=NAME,...'),
    (r"\bannotation='(\w+)'", r'--of-several \1'),
    (r'\bimage_root=FOLDER', '--image-root FOLDER'),
    (r'\bone_based=False', '--zero-based'),
    (r'\bsize=\((\d+), (\d+)\)', r'--size \1 \2'),
)


def name_options(text: str) -> str:
    """Name what a reader calls its keys as the commands call them.

    Args:
        text (str): A message of a reader.

    Returns:
        str: The same with options.

    Example:
        >>> name_options("set unlabelled='good' if they are good parts")
        'set --unlabelled good if they are good parts'
    """
    for pattern, option in _OPTIONS:
        text = re.sub(pattern, option, text)
    return text


def class_names(text: str) -> list[str]:
    """Split ``--classes``.

    Args:
        text (str): Names with commas between.

    Returns:
        list[str]: The names.

    Raises:
        InputError: A name is empty or stands twice.

    Example:
        >>> class_names('rust, chip')
        ['rust', 'chip']
    """
    names = [name.strip() for name in text.split(',')]
    for name in names:
        if not name or names.count(name) > 1:
            raise InputError(f'--classes: {name!r} must be a name that stands once')
    return names


def class_values(text: str) -> dict[int, str] | None:
    """Split ``--classes`` where it says values of masks.

    Args:
        text (str): ``value=name`` with commas between.

    Returns:
        dict[int, str] | None: Names by value; None when there is no ``=``.

    Raises:
        InputError: A value is no whole number, stands twice or has no name.

    Example:
        >>> class_values('50=rust,100=chip'), class_values('rust,chip')
        ({50: 'rust', 100: 'chip'}, None)
    """
    parts = [part.partition('=') for part in text.split(',')]
    if not any(equals for _, equals, _ in parts):
        return None
    values: dict[int, str] = {}
    for value, _, name in parts:
        value = value.strip()
        if not (value.isascii() and value.isdigit()) or int(value) in values or not name.strip():
            raise InputError(
                f'--classes: {value!r} must be a mask value that stands once, with =name behind it'
            )
        values[int(value)] = name.strip()
    return values
