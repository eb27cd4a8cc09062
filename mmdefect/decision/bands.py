"""PASS, HOLD and FAIL bands of a class."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator

from mmdefect.decision.image_scores import Score

__all__ = ['Bands']


class Bands(BaseModel):
    """Where the scores of a class stop a part.

    Args:
        hold (float): A score >= it does not pass, 0 to 1.
        fail (float | None): A score >= it fails, from ``hold`` to 1; None where nothing fails
            without a person looking.

    Raises:
        ValidationError: A threshold is out of its range (a ``ValueError``).

    Example:
        >>> Bands(hold=0.2, fail=0.7).hold
        0.2
    """

    model_config = ConfigDict(extra='forbid', frozen=True, strict=True)

    hold: Score
    fail: Score | None

    @model_validator(mode='after')
    def _in_order(self) -> Bands:
        if self.fail is not None and self.fail < self.hold:
            raise ValueError(f'fail must be {self.hold} (hold) or more, got {self.fail}')
        return self
