"""The counts of one head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['HeadPositives']


@dataclass
class HeadPositives:
    """What one head was given and what it made of it.

    Args:
        name (str): Name of the module in the model.
        kind (str): ``dense`` (anchors or points), ``roi`` (proposals) or ``other``.
        classes (tuple[str, ...]): Class names.
        boxes (NDArray[np.int64]): Boxes seen per class, shape (C,).
        missed (NDArray[np.int64] | None): Boxes without a positive per class, shape (C,); None
            where the head does not say.
        positives (NDArray[np.int64]): Per class and level, shape (C, L); L is 1 without levels.
        levels (list[str]): Names of the L levels, such as ``stride 8``.

    Example:
        >>> zeros = np.zeros(1, np.int64)
        >>> HeadPositives('bbox_head', 'dense', ('rust',), zeros, zeros, zeros[:, None],
        ...               ['stride 8']).without_positive()
        []
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    boxes: NDArray[np.int64]
    missed: NDArray[np.int64] | None
    positives: NDArray[np.int64]
    levels: list[str] = field(default_factory=list)

    def without_positive(self) -> list[str]:
        """Classes that had boxes and got no positive at all.

        Returns:
            list[str]: Class names.
        """
        empty = (self.boxes > 0) & (self.positives.sum(axis=1) == 0)
        return [name for name, flag in zip(self.classes, empty, strict=True) if flag]

    def to_dict(self) -> dict[str, Any]:
        """Give the counts as JSON-serialisable values.

        Returns:
            dict[str, Any]: The fields.
        """
        return {
            'name': self.name,
            'kind': self.kind,
            'levels': self.levels,
            'classes': [
                {
                    'name': name,
                    'boxes': int(self.boxes[index]),
                    'boxes_without_positive': (
                        None if self.missed is None else int(self.missed[index])
                    ),
                    'positives': self.positives[index].tolist(),
                }
                for index, name in enumerate(self.classes)
            ],
        }
