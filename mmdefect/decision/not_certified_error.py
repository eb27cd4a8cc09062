"""The refusal to sign."""

from __future__ import annotations

from mmdefect.errors import InputError

__all__ = ['NotCertifiedError']


class NotCertifiedError(InputError):
    """The evidence does not carry the promise that was asked for.

    Args:
        message (str): One line: the reason, and how to mend it.
        largest_recall (float | None): Largest recall that the evidence can certify, 0 to 1; None
            where it can certify none at all. Default None.

    Example:
        >>> raise NotCertifiedError('20 defective parts are too few', largest_recall=0.86)
        Traceback (most recent call last):
        ...
        mmdefect.decision.not_certified_error.NotCertifiedError: 20 defective parts are too few
    """

    def __init__(self, message: str, largest_recall: float | None = None) -> None:
        super().__init__(message)
        self.largest_recall = largest_recall
