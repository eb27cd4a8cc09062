"""Templates filled and written as one self-contained file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mmdefect.errors import InputError
from mmdefect.fileio import write_bytes
from mmdefect.wording import counted

__all__ = ['check_target', 'write_page']

_SIZE_MARK = '@file-size@'


def check_target(target: Path) -> None:
    """Refuse a target that is a folder, before any work is done for it.

    Args:
        target (Path): HTML file to write.

    Raises:
        InputError: It is a folder.

    Example:
        >>> check_target(Path('no-such-folder/report.html'))
    """
    if target.is_dir():
        raise InputError(f'{target}: is a folder; name a file such as {target / "report.html"}')


def write_page(
    target: Path, template: str, scripts: Sequence[str], data: Any, **context: Any
) -> None:
    """Fill a template, put style, scripts and data into it, and write it with its size.

    Args:
        target (Path): HTML file to write.
        template (str): Name of the template; it extends ``base.html``.
        scripts (Sequence[str]): Names of its scripts, in order.
        data (Any): JSON-ready value that the scripts find in the page.
        **context (Any): What else the template uses.

    Raises:
        InputError: The file cannot be written.
        ValueError: The data hold NaN or infinity.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / 'a.html'
        >>> write_page(target, 'base.html', ['base.js'], {'a': 1}, title='A', written='today',
        ...            versions='none')
        >>> '{"a":1}' in target.read_text(encoding='utf-8')
        True
    """
    environment = Environment(
        loader=PackageLoader('mmdefect.report', 'templates'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['counted'] = counted
    environment.filters['number'] = _number
    environment.filters['share'] = _share
    environment.filters['signed'] = _signed
    page = environment.get_template(template).render(
        **context,
        data=_script_json(data),
        css=_asset(environment, 'report.css'),
        scripts=[_asset(environment, name) for name in scripts],
        size_mark=_SIZE_MARK,
    )
    code = page.encode('utf-8', errors='replace')
    size = f'{len(code) / 1e6:.2f} MB'
    # The mark stands before the data: the first one is ours.
    write_bytes(target, code.replace(_SIZE_MARK.encode(), size.encode(), 1))


def _asset(environment: Environment, name: str) -> Markup:
    """Our own CSS or script, put in as it is."""
    source = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
    return Markup(source)


def _script_json(value: Any) -> Markup:
    """JSON that can stand inside a script element: no character that could end it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(',', ':'))
    for character in '<>&':
        text = text.replace(character, f'\\u{ord(character):04x}')
    return Markup(text)


def _number(value: float | None, digits: int = 3) -> str:
    return '–' if value is None else f'{value:.{digits}f}'


def _share(value: float | None) -> str:
    return '–' if value is None else f'{100 * value:.0f} %'


def _signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign; one that rounds to nothing has none."""
    if value is None:
        return '–'
    text = f'{value:+.{digits}f}'
    return text if float(text) else f'±{0:.{digits}f}'
