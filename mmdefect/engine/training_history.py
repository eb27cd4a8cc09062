"""What a training has shown so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ['History', 'Validation', 'Window']


@dataclass(frozen=True)
class Validation:
    """Scores of one validation.

    Args:
        iteration (int): Iterations done.
        score (float): Average precision over all classes, 0 to 1.
        classes (dict[str, float]): By class; NaN where it is not defined. Default empty.

    Example:
        >>> Validation(2500, 0.2).classes
        {}
    """

    iteration: int
    score: float
    classes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """Means over a fixed number of iterations.

    Args:
        end (int): Iterations done at its end.
        means (dict[str, float]): ``loss``, and where there are pseudo labels ``count`` (boxes
            per iteration) and ``precision`` (against hidden ground truth).

    Example:
        >>> Window(500, {'loss': 1.5}).means['loss']
        1.5
    """

    end: int
    means: dict[str, float]


@dataclass
class History:
    """What a training has shown so far.

    Args:
        window (int): Iterations of a window. Default 500.
        windows (list[Window]): In order. Default empty.
        validations (list[Validation]): In order. Default empty.
        silent (int): Iterations in a row without any pseudo label. Default 0.
        stages (dict[str, float]): The newest counts of the teacher's boxes per iteration: by the
            threshold that they pass; ``floor`` for the lowest score that is looked at. Default
            empty.
        best_score (float | None): The teacher's best score lately. Default None: not known.

    Example:
        >>> History().means('loss', 1000) is None
        True
    """

    window: int = 500
    windows: list[Window] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    silent: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    best_score: float | None = None

    def means(self, name: str, span: int) -> npt.NDArray[np.float64] | None:
        """Means of the newest windows.

        Args:
            name (str): What is averaged.
            span (int): Iterations that the windows make up, a multiple of ``window``.

        Returns:
            np.ndarray | None: Oldest first, shape (span / window,); None where one is missing.

        Example:
            >>> windows = [Window(end, {'loss': end / 500}) for end in (500, 1000, 1500)]
            >>> History(windows=windows).means('loss', 1000).tolist()
            [2.0, 3.0]
        """
        wanted = span // self.window
        newest = self.windows[-wanted:]
        ends = [window.end for window in newest]
        complete = len(newest) == wanted and ends[-1] - ends[0] == span - self.window
        if not complete or any(name not in window.means for window in newest):
            return None
        return np.array([window.means[name] for window in newest])
