"""Ground truth and detections of one view of a part."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.image_result import ImageResult

__all__ = ['ViewResult']


@dataclass(frozen=True, slots=True)
class ViewResult:
    """What was found in one view, and what is there.

    Args:
        image (ImageResult): Boxes of the view: N of ground truth, M detections.
        part_id (Hashable): The part it shows.
        view_id (int): Which of its views.
        to_part (np.ndarray | None): Homography of box coordinates of the view to those of the
            part, shape (3, 3); None for free geometry.
        defect_ids (tuple[Hashable | None, ...]): Defect that each box of ground truth shows, the
            same in all views; None where it is not known. Length N.

    Example:
        >>> empty = np.zeros((0, 4)), np.zeros(0, int)
        >>> image = ImageResult('a.png', 8, 8, *empty, np.zeros(0, bool), *empty, np.zeros(0))
        >>> ViewResult(image, 'p1', 0, None, ()).part_id
        'p1'
    """

    image: ImageResult
    part_id: Hashable
    view_id: int
    to_part: npt.NDArray[np.float64] | None
    defect_ids: tuple[Hashable | None, ...]
