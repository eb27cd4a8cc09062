"""Pydantic's findings in one line."""

from __future__ import annotations

from pydantic import ValidationError

__all__ = ['first_problem']


def first_problem(error: ValidationError) -> str:
    """Say which key is wrong first, and how.

    Args:
        error (ValidationError): What Pydantic raised.

    Returns:
        str: Key, reason and, where it is short, the value.

    Example:
        >>> from pydantic import BaseModel
        >>> class Part(BaseModel):
        ...     score: float
        >>> try:
        ...     Part(score='high')
        ... except ValidationError as error:
        ...     print(first_problem(error))
        key "score": input should be a valid number, unable to parse string as a number, got 'high'
    """
    problem = error.errors(include_url=False, include_context=False)[0]
    reason = problem['msg'][:1].lower() + problem['msg'][1:]
    where = '.'.join(map(str, problem['loc']))
    given = '' if problem['type'] in ('missing', 'json_invalid') else repr(problem['input'])
    got = f', got {given}' if 0 < len(given) <= 80 else ''
    return f'key "{where}": {reason}{got}' if where else f'{reason}{got}'
