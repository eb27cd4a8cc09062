"""Geometry of the radial views: homographies, warps, tight boxes and visible shares.

Angles are clockwise in degrees, 0 is up. A radial frame is a rotated (never scaled) crop: its
upward direction at the crop centre is the radial direction of its angle, its rightward direction
is the tangential one. Integer coordinates are pixel centres, as in ``cv2.warpAffine``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    'NUM_VIEWS',
    'VIEW_RADIUS',
    'VIEW_SIZE',
    'radial_homography',
    'tight_box',
    'view_homography',
    'visible_share',
    'warp_to_frame',
]

NUM_VIEWS = 8
VIEW_SIZE = 160
# The lower edge of a crop passes 2.5 px above the axis. A defect that straddles its own radius
# then leaves the crop before the view has turned by 90 degrees (at most four views see it whole).
VIEW_RADIUS = 82.0


def radial_homography(
    centre: tuple[float, float], angle: float, radius: float, size: tuple[float, float]
) -> NDArray[np.float64]:
    """Map the pixels of a radial crop to the pixels of the part image.

    Args:
        centre (tuple[float, float]): Drill axis ``(x, y)`` in the part image, pixels.
        angle (float): Radial direction of the crop, degrees clockwise from up.
        radius (float): Distance from the axis to the crop centre, pixels.
        size (tuple[float, float]): Crop size ``(w, h)``, pixels.

    Returns:
        NDArray[np.float64]: Homography ``(3, 3)``, crop pixel -> part pixel.

    Example:
        >>> h = radial_homography((100.0, 100.0), 90.0, 50.0, (21, 21))
        >>> (h @ [10, 10, 1]).round(6).tolist()  # the crop centre lies 50 px to the right
        [150.0, 100.0, 1.0]
    """
    turn = np.deg2rad(angle)
    tangential = np.array([np.cos(turn), np.sin(turn)])
    outward = np.array([np.sin(turn), -np.cos(turn)])
    origin = (
        np.asarray(centre, dtype=np.float64)
        - tangential * (size[0] - 1) / 2
        + outward * (radius + (size[1] - 1) / 2)
    )
    homography = np.eye(3)
    homography[:2, 0] = tangential
    homography[:2, 1] = -outward
    homography[:2, 2] = origin
    return homography


def view_homography(centre: tuple[float, float], view_id: int) -> NDArray[np.float64]:
    """Map the pixels of one of the eight views to the pixels of the part image.

    Args:
        centre (tuple[float, float]): Drill axis ``(x, y)`` in the part image, pixels.
        view_id (int): 0 to 7; view ``k`` looks along ``45 * k`` degrees.

    Returns:
        NDArray[np.float64]: Homography ``(3, 3)``, view pixel -> part pixel.

    Raises:
        ValueError: ``view_id`` is not 0 to 7.

    Example:
        >>> view_homography((191.5, 191.5), 0)[:2, 2].tolist()
        [112.0, 30.0]
    """
    if not 0 <= view_id < NUM_VIEWS:
        raise ValueError(f'view_id must be 0 to {NUM_VIEWS - 1}, got {view_id}')
    return radial_homography(
        centre, 360.0 / NUM_VIEWS * view_id, VIEW_RADIUS, (VIEW_SIZE, VIEW_SIZE)
    )


def warp_to_frame(
    image: NDArray[np.float32], homography: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Resample a part image in the frame of a crop (bilinear).

    Args:
        image (NDArray[np.float32]): Part image ``(h, w)`` or ``(h, w, c)``.
        homography (NDArray[np.float64]): Crop pixel -> part pixel, ``(3, 3)``, affine.
        size (tuple[int, int]): Crop size ``(w, h)``, pixels.

    Returns:
        NDArray[np.float32]: The crop ``(h, w)`` or ``(h, w, c)``; 0 outside the part image.

    Example:
        >>> part = np.arange(16, dtype=np.float32).reshape(4, 4)
        >>> shift = np.array([[1.0, 0, 1], [0, 1, 2], [0, 0, 1]])
        >>> warp_to_frame(part, shift, (2, 2)).tolist()
        [[9.0, 10.0], [13.0, 14.0]]
    """
    warped = cv2.warpAffine(
        image, homography[:2], size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(warped, dtype=np.float32)


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Find the tight box of a mask.

    Args:
        mask (NDArray[np.bool_]): Mask ``(h, w)``.

    Returns:
        tuple[int, int, int, int] | None: COCO box ``(x, y, w, h)`` in whole pixels; None for an
        empty mask.

    Example:
        >>> mask = np.zeros((6, 6), dtype=bool)
        >>> mask[2:4, 1:5] = True
        >>> tight_box(mask)
        (1, 2, 4, 2)
    """
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return None
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def visible_share(
    points: NDArray[np.float64], homography: NDArray[np.float64], size: tuple[int, int]
) -> float:
    """Measure which share of a defect's part pixels lies inside a crop.

    Args:
        points (NDArray[np.float64]): Pixels of the defect ``(n, 2)`` as ``(x, y)``, part frame.
        homography (NDArray[np.float64]): Crop pixel -> part pixel, ``(3, 3)``, affine.
        size (tuple[int, int]): Crop size ``(w, h)``, pixels.

    Returns:
        float: Share in [0, 1]; 1 only if every pixel centre lies within the outermost pixel
        centres of the crop.

    Example:
        >>> points = np.array([[0.0, 0.0], [3.0, 0.0]])
        >>> visible_share(points, np.eye(3), (3, 3))
        0.5
    """
    if not len(points):
        return 0.0
    inverse = np.linalg.inv(homography)
    inside = points @ inverse[:2, :2].T + inverse[:2, 2]
    limit = np.array(size) - 1
    return float(((inside >= -1e-6) & (inside <= limit + 1e-6)).all(axis=1).mean())
