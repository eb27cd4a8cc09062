"""What becomes of a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ['Verdict']


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a part.

    Args:
        outcome (str): ``PASS``, ``HOLD`` (a person looks) or ``FAIL``.
        reason (str): Why, for people.
        class_name (str | None): Class that decided; None if the part passes.
        score (float): Its score, or the highest one of a part that passes.
        threshold (float | None): The threshold reached; None if the part passes.

    Example:
        >>> Verdict('PASS', 'no score reaches its threshold', None, 0.1, None).outcome
        'PASS'
    """

    outcome: Literal['PASS', 'HOLD', 'FAIL']
    reason: str
    class_name: str | None
    score: float
    threshold: float | None
