"""From the images of a part to its scores."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

__all__ = ['Pooling']


class Pooling(BaseModel):
    """A part's score for a class is the n-th highest that its images have.

    With ``n`` 1 one image is enough to stop a part; with 2 a defect must be seen in two images. A
    part with fewer images scores 0.

    Args:
        rule (str): ``nth-highest``, the only one.
        n (int): How many images must show a defect, from 1. Default 1.

    Raises:
        ValidationError: A key is unknown or of another type (a ``ValueError``).

    Example:
        >>> Pooling(n=2).pool(np.array([[0.9, 0.1], [0.2, 0.3], [0.4, 0.0]])).tolist()
        [0.4, 0.1]
    """

    model_config = ConfigDict(extra='forbid', frozen=True, strict=True)

    rule: Literal['nth-highest'] = 'nth-highest'
    n: Annotated[int, Field(ge=1)] = 1

    def pool(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Pool the images of one part.

        Args:
            scores (np.ndarray): Highest score per image and class, float64, shape (I, C).

        Returns:
            np.ndarray: Score per class, float64, shape (C,).
        """
        if len(scores) < self.n:
            return np.zeros(scores.shape[1])
        return np.partition(scores, -self.n, axis=0)[-self.n]
