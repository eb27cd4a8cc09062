"""What Typer says about a command line, in one line."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

__all__ = ['usage_line']

# Typer's words, and older ones, as people read them who do not write Python.
_WORDS = (
    (r'a valid integer', 'a whole number'),
    (r'a valid number', 'a number'),
    (r'is not a valid (?:int|integer)(?: range)?\b', 'is no whole number'),
    (r'is not a valid float(?: range)?\b', 'is no number'),
    (r'\. (Choose|Did|Got)', lambda found: f'; {found[1].lower()}'),
    (r' \((?:Possible options|Did you mean one of): ([^)]*)\)', r'; did you mean \1?'),
    (r'unexpected extra arguments?(?:\(s\))? \((.*)\)', r'more than expected: \1'),
)


def usage_line(error: Any, command: Any = None) -> str:
    """Say in one line what is wrong with a command line, and how to mend it.

    Args:
        error (typer.BadParameter): Or another usage error of the library behind Typer.
        command (typer.core.TyperCommand | None): The subcommand, where the error may not know
            it. Default None.

    Returns:
        str: The line; empty where help was asked for and has been printed.

    Example:
        >>> import typer
        >>> usage_line(typer.BadParameter("'x' is not a valid float.", param_hint="'--beta'"))
        "invalid value for '--beta': 'x' is no number; see mmdefect --help"
    """
    # Its texts are for several lines.
    text = ' '.join(error.format_message().split()).rstrip('.')
    if not text:
        return ''
    parameter = _parameter(error, error.ctx.command if error.ctx else command)
    if parameter is not None:
        option = parameter.opts[0].startswith('-')
        name = parameter.opts[0] if option else (parameter.metavar or parameter.name).upper()
        text = _with_value(error, name) or text.replace(f"'{parameter.name}'", name)
        if option and parameter.metavar:
            text += f'; write {name} {parameter.metavar}'
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)  # type: ignore[call-overload]
    path = error.ctx.command_path if error.ctx else f'mmdefect {command.name if command else ""}'
    end = '' if text.endswith('?') else ';'
    first = text if text.startswith(('-', text[:2].upper())) else f'{text[0].lower()}{text[1:]}'
    return f'{first}{end} see {path.strip()} --help'


def _parameter(error: Any, command: Any) -> Any:
    """The option or argument that an error is about, if it is about one."""
    name = getattr(error, 'option_name', None)
    known = command.params if command else ()
    found = next((item for item in known if name in item.opts), None)
    return getattr(error, 'param', None) or found


def _with_value(error: Any, name: str) -> str | None:
    """What Pydantic found, with the value that Typer leaves out."""
    if not isinstance(error.__cause__, ValidationError):
        return None
    problem = error.__cause__.errors(include_url=False, include_context=False)[0]
    reason = problem['msg'].removeprefix('Value error, ').rstrip('.')
    wanted = reason.removeprefix('Input should be ').split(', ')[0]
    return f'{name}: {reason}' if wanted == reason.split(', ')[0] else (
        f'{name} must be {wanted}, got {problem["input"]}'
    )  # fmt: skip
