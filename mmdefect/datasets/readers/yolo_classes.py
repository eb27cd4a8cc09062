"""Class names of YOLO data sets: data.yaml, classes.txt, obj.names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmdefect.datasets.readers.detection import CLASS_FILES, YAML_FILES
from mmdefect.datasets.readers.text_rows import read_head, read_text
from mmdefect.errors import InputError

__all__ = ['class_names', 'find_class_names', 'read_class_names']

_YAML_SUFFIXES = ('.yaml', '.yml')
_MAX_BYTES = 256 * 1024
_MAX_DEPTH = 20
_MAX_EVENTS = 50_000
_NAMES_KEY = re.compile(r'^names\s*:', re.MULTILINE)


# LibYAML's parser is ten times faster; PyYAML may be built without it.
_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc]
    """No key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f'a key of the mapping in line {line} stands twice')
        return mapping


def _check_yaml(text: str) -> None:
    """No aliases, which can grow without bounds, no deep nesting, bounded time."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, _Loader)):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError('an alias (*name) is not accepted')
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise yaml.YAMLError(f'nested more than {_MAX_DEPTH} deep')
        if count > _MAX_EVENTS:
            raise yaml.YAMLError(f'more than {_MAX_EVENTS} entries')


def class_names(names: Sequence[Any] | Mapping[Any, Any], where: str) -> dict[int, str]:
    """Check class names and number them.

    Args:
        names (Sequence | Mapping): Names in order from 0, or by number.
        where (str): Where they stand, for messages.

    Returns:
        dict[int, str]: Names by number, sorted by number.

    Raises:
        InputError: There are none; a number is no whole number from 0; a name is no text, empty
            or stands twice.

    Example:
        >>> class_names({1: 'rust', 0: 'chip'}, 'data.yaml')
        {0: 'chip', 1: 'rust'}
    """
    if not isinstance(names, (Sequence, Mapping)) or isinstance(names, (str, bytes)):
        raise InputError(f'{where}: class names must be a list or a mapping, got {names!r:.60}')
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
    found: dict[int, str] = {}
    seen: set[str] = set()
    for number, name in pairs:
        digits = str(number)
        # YAML reads `no`, `off` and `1` as other things than text.
        text = ' '.join(str(name).split()) if type(name) in (str, int, float) else ''
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            raise InputError(f'{where}: class number {number!r:.60} must be a whole number from 0')
        if not text or not text.isprintable():
            raise InputError(f'{where}: name of class {digits} is {name!r:.60}; quote a text')
        if text in seen or int(digits) in found:
            raise InputError(f'{where}: class {digits}, {text[:60]!r}, stands twice; keep one')
        seen.add(text)
        found[int(digits)] = text
    if not found:
        raise InputError(f'{where}: no class names; list them there')
    return dict(sorted(found.items()))


def read_class_names(path: Path) -> dict[int, str]:
    r"""Read class names from a YAML file with the key ``names``, or one name per line.

    Args:
        path (Path): ``data.yaml``, ``classes.txt``, ``obj.names``.

    Returns:
        dict[int, str]: Names by number.

    Raises:
        InputError: The file cannot be read or the names are wrong.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'data.yaml'
        >>> _ = path.write_text('nc: 2\nnames: [chip, rust]')
        >>> read_class_names(path)
        {0: 'chip', 1: 'rust'}
    """
    if path.suffix.lower() in _YAML_SUFFIXES:
        return _yaml_names(path)
    lines = [line.strip() for line in read_text(path, 'class list', _MAX_BYTES).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if '' in lines:
        raise InputError(f'{path}: line {lines.index("") + 1} is empty; name a class per line')
    return class_names(lines, f'{path}')


def _yaml_names(path: Path) -> dict[int, str]:
    text = read_text(path, 'class file', _MAX_BYTES)
    try:
        _check_yaml(text)
        content = yaml.load(text, _StrictLoader)  # noqa: S506  a subclass of SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = ' '.join(str(error).split())[:200]
        raise InputError(f'{path}: not a readable YAML file ({reason}); correct it') from error
    if not isinstance(content, dict) or 'names' not in content:
        raise InputError(f'{path}: no key "names"; list the classes there')
    names = class_names(content['names'], f'{path}')
    count = content.get('nc', len(names))
    if count != len(names):
        raise InputError(f'{path}: nc is {count!r:.60} but there are {len(names)} names')
    return names


def find_class_names(folder: Path, files: Iterable[Path]) -> tuple[dict[int, str], Path]:
    """Find the class names of a data set.

    Args:
        folder (Path): The data set.
        files (Iterable[Path]): All files below it.

    Returns:
        tuple[dict[int, str], Path]: Names by number, and the file that lists them.

    Raises:
        InputError: No file lists them, one is wrong, or two do not agree.

    Example:
        >>> find_class_names(Path('steel'), [])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: steel: no class names; add classes.txt, ...
    """
    found: tuple[dict[int, str], Path] | None = None
    for path in files:
        if not _lists_classes(path, folder):
            continue
        names = read_class_names(path)
        if found is None:
            found = names, path
        elif names != found[0]:
            raise InputError(
                f'{path}: its class names are not those of {found[1]}; correct one, or give '
                'classes=[...]'
            )
    if found is None:
        raise InputError(
            f'{folder}: no class names; add classes.txt, one name per line, or give classes=[...]'
        )
    return found


def _lists_classes(path: Path, folder: Path) -> bool:
    if path.name.lower() in (*CLASS_FILES, *YAML_FILES):
        return True
    # Other YAML files lie around for other purposes.
    if path.suffix.lower() not in _YAML_SUFFIXES or path.parent != folder:
        return False
    return _NAMES_KEY.search(read_head(path)) is not None
