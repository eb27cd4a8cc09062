"""From scores to probabilities: temperature scaling and isotonic regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression, minimize_scalar
from scipy.special import expit, logit

from mmdefect.decision.scored_parts import check_scored

__all__ = ['IsotonicCalibration', 'TemperatureScaling', 'fit_isotonic', 'fit_temperature']

_Floats = npt.NDArray[np.float64]
# A score of 0 on a defective part would cost infinitely much.
_CLIP = 1e-6


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    """Scores with their log-odds divided by a number; made by :func:`fit_temperature`.

    Keeps the order of the scores, so decisions stay the same at the mapped threshold.

    Args:
        temperature (float): Above 1 scores were too sure, below 1 not sure enough.

    Example:
        >>> TemperatureScaling(2.0).apply([0.0, 0.5, 0.9]).round(2).tolist()
        [0.0, 0.5, 0.75]
    """

    temperature: float

    def apply(self, scores: npt.ArrayLike) -> _Floats:
        """Map scores.

        Args:
            scores (np.ndarray): Scores, 0 to 1, any shape.

        Returns:
            np.ndarray: Probabilities, float64, same shape; 0 and 1 stay.
        """
        return expit(logit(np.asarray(scores, np.float64)) / self.temperature)


@dataclass(frozen=True, slots=True, eq=False)
class IsotonicCalibration:
    """Scores mapped by a rising curve; made by :func:`fit_isotonic`.

    Never reverses the order of scores, but can make different ones equal.

    Args:
        scores (np.ndarray): Rising scores, float64, shape (K,).
        probabilities (np.ndarray): Their probabilities, never falling, float64, shape (K,).

    Example:
        >>> IsotonicCalibration(np.array([0.2, 0.8]), np.array([0.1, 0.5])).apply([0.5]).tolist()
        [0.3]
    """

    scores: _Floats
    probabilities: _Floats

    def apply(self, scores: npt.ArrayLike) -> _Floats:
        """Map scores, on straight lines between those fitted.

        Args:
            scores (np.ndarray): Scores, any shape.

        Returns:
            np.ndarray: Probabilities, float64, same shape.
        """
        return np.interp(np.asarray(scores, np.float64), self.scores, self.probabilities)


def fit_temperature(scores: npt.ArrayLike, labels: npt.ArrayLike) -> TemperatureScaling:
    """Find the temperature with the lowest log loss.

    Args:
        scores (np.ndarray): One score per part, 0 to 1, shape (P,).
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).

    Returns:
        TemperatureScaling: The map; temperatures from 0.01 to 100.

    Raises:
        InputError: A score is NaN or not from 0 to 1, or all labels are the same.
        ValueError: Shapes do not agree, or labels are no labels.

    Source:
        Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017.

    Example:
        >>> scaling = fit_temperature([0.99, 0.99, 0.01, 0.01], [1, 0, 0, 1])
        >>> scaling.temperature > 10
        True
    """
    values, truth = check_scored(scores, labels, both=True)
    odds = logit(np.clip(values, _CLIP, 1 - _CLIP))
    against = np.where(truth, -odds, odds)

    def loss(log_temperature: float) -> float:
        return float(np.mean(np.logaddexp(0, against / np.exp(log_temperature))))

    found = minimize_scalar(loss, bounds=(np.log(0.01), np.log(100)), method='bounded')
    return TemperatureScaling(float(np.exp(found.x)))


def fit_isotonic(scores: npt.ArrayLike, labels: npt.ArrayLike) -> IsotonicCalibration:
    """Find the rising curve nearest to the labels (pool adjacent violators).

    Needs a few hundred parts; with fewer take :func:`fit_temperature`.

    Args:
        scores (np.ndarray): One score per part, 0 to 1, shape (P,).
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).

    Returns:
        IsotonicCalibration: The map.

    Raises:
        InputError: A score is NaN or not from 0 to 1, or all labels are the same.
        ValueError: Shapes do not agree, or labels are no labels.

    Source:
        Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
        estimates", 2002.

    Example:
        >>> fit_isotonic([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]).probabilities.tolist()
        [0.0, 0.5, 0.5, 1.0]
    """
    values, truth = check_scored(scores, labels, both=True)
    levels, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    shares = np.bincount(index, truth) / counts
    return IsotonicCalibration(levels, isotonic_regression(shares, weights=counts).x)
