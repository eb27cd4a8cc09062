"""IoU clustering of boxes under the form of a generator: every ratio at every scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.anchors.anchor_set import AnchorForm
from mmdefect.evaluation.anchors.box_iou import best_grid_iou
from mmdefect.evaluation.anchors.placed_boxes import PlacedBoxes

__all__ = ['cluster_shapes']

_Floats = npt.NDArray[np.float64]

_ROUNDS = 12


def cluster_shapes(
    placed: PlacedBoxes,
    form: AnchorForm,
    ratios: _Floats,
    scales: _Floats,
    generator: np.random.Generator,
    allowed_border: float = -1,
) -> tuple[float, _Floats, _Floats]:
    """Move ratios and scales to the medians of the boxes that they cover best, until none moves.

    Each box belongs to the anchor with which it has the greatest IoU on the real grid. The
    logarithm of IoU of two centred boxes is, up to terms of second order, a city-block distance
    of their logarithmic ratios and sizes, so the centre of a cluster is a median. A ratio or
    scale that covers no box starts again at one of the boxes that are covered worst.

    Args:
        placed (PlacedBoxes): One box or more.
        form (AnchorForm): Levels, base sizes and centres.
        ratios (np.ndarray): Width / height to start with, shape (R,).
        scales (np.ndarray): Scales to start with, shape (S,).
        generator (np.random.Generator): Draws where an empty cluster starts again.
        allowed_border (float): As in :func:`best_grid_iou`. Default -1.

    Returns:
        tuple[float, np.ndarray, np.ndarray]: Mean best IoU, ratios and scales of the best round.

    Source:
        Redmon and Farhadi, "YOLO9000: Better, Faster, Stronger", CVPR 2017, section 2, cluster
        free shapes by IoU; here they are tied to the form of a generator.

    Example:
        >>> form = AnchorForm(np.full((1, 2), 8.), np.array([8.]), np.full((1, 2), 4.))
        >>> size = np.array([[64, 64]])
        >>> boxes = np.array([[16, 8, 24, 40], [40, 8, 48, 40]], np.float32)
        >>> placed = PlacedBoxes(boxes, np.zeros(2, int), size, size)
        >>> start = np.array([1.]), np.array([1.])
        >>> iou, ratios, scales = cluster_shapes(placed, form, *start, np.random.default_rng(0))
        >>> ratios.round(3).tolist(), scales.round(3).tolist()
        ([0.25], [2.0])
    """
    extents = placed.extents
    box_ratios = np.log(extents[:, 0] / extents[:, 1])
    box_sizes = np.log(extents.prod(axis=1)) / 2
    base = np.log(form.base_sizes)
    best: tuple[float, _Floats, _Floats] = (-1.0, ratios, scales)
    for _ in range(_ROUNDS):
        iou, which = best_grid_iou(placed, form.anchors(ratios, scales), allowed_border)
        score = float(iou.mean(dtype=np.float64))
        if score > best[0]:
            best = (score, ratios, scales)
        level, shape = np.divmod(which.astype(np.int64), len(ratios) * len(scales))
        of_ratio, of_scale = np.divmod(shape, len(scales))
        worst = np.argsort(iou, kind='stable')[: 1 + len(iou) // 10]
        moved = (
            _medians(box_ratios, of_ratio, len(ratios), worst, generator),
            _medians(box_sizes - base[level], of_scale, len(scales), worst, generator),
        )
        if np.allclose(moved[0], ratios, rtol=1e-4) and np.allclose(moved[1], scales, rtol=1e-4):
            break
        ratios, scales = moved
    return best


def _medians(
    values: _Floats,
    clusters: npt.NDArray[np.int64],
    count: int,
    worst: npt.NDArray[np.int64],
    generator: np.random.Generator,
) -> _Floats:
    """Median of the values of each cluster, as a factor, ascending."""
    medians = [
        np.median(values[clusters == number])
        if (clusters == number).any()
        else values[generator.choice(worst)]
        for number in range(count)
    ]
    return np.sort(np.exp(medians))
