"""Checks on scores and labels that arrive together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmdefect.errors import InputError

__all__ = ['check_labels', 'check_scored', 'check_scores']


def check_scores(
    scores: npt.ArrayLike, name: str = 'scores', bounded: bool = False
) -> npt.NDArray[np.float64]:
    """Take scores of parts.

    Args:
        scores (np.ndarray): Scores, shape (P,).
        name (str): What messages call them. Default ``scores``.
        bounded (bool): Refuse what is not from 0 to 1. Default False.

    Returns:
        np.ndarray: The scores, float64, shape (P,).

    Raises:
        InputError: A score is NaN, infinite or out of bounds.
        ValueError: The shape is another.

    Example:
        >>> check_scores([1, 0]).dtype
        dtype('float64')
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 1:
        raise ValueError(f'{name} must have shape (P,), got {values.shape}')
    right = (values >= 0) & (values <= 1) if bounded else np.isfinite(values)
    bad = np.flatnonzero(~right)
    if len(bad):
        wanted = 'scores from 0 to 1' if bounded else 'finite ones'
        raise InputError(
            f'{name}: {values[bad[0]]} at part {bad[0]} is no score; give {wanted}, and 0 where '
            'nothing was detected'
        )
    return values


def check_labels(labels: npt.ArrayLike, count: int) -> npt.NDArray[np.bool_]:
    """Take labels of parts.

    Args:
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).
        count (int): The number P of scores beside them.

    Returns:
        np.ndarray: The labels, bool, shape (P,).

    Raises:
        ValueError: The shape is another, or there are other values.

    Example:
        >>> check_labels([1, 0], 2).tolist()
        [True, False]
    """
    truth = np.asarray(labels)
    if truth.shape != (count,):
        raise ValueError(f'labels must have shape ({count},), got {truth.shape}')
    if truth.dtype != bool and not np.isin(truth, (0, 1)).all():
        raise ValueError(f'labels must be bool or 0 and 1, got {truth.dtype} with other values')
    return truth.astype(bool)


def check_scored(
    scores: npt.ArrayLike, labels: npt.ArrayLike, both: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Take probabilities and labels of parts.

    Args:
        scores (np.ndarray): Scores, 0 to 1, shape (P,).
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).
        both (bool): Refuse parts that are all defective or all good. Default False.

    Returns:
        tuple[np.ndarray, np.ndarray]: Scores, float64, and labels, bool, shape (P,).

    Raises:
        InputError: A score is no score, there is no part, or both kinds are wanted and one lacks.
        ValueError: Shapes do not agree, or labels are no labels.

    Example:
        >>> check_scored([0.5], [1])[1].tolist()
        [True]
    """
    values = check_scores(scores, bounded=True)
    truth = check_labels(labels, len(values))
    if not len(truth):
        raise InputError('scores: there is no part; give some')
    if both and truth.all() | ~truth.any():
        raise InputError(
            f'labels: all {len(truth)} parts are {"defective" if truth[0] else "good"}; give both '
            'kinds'
        )
    return values, truth
