"""Homographies: 3x3 matrices that map points of one image to points of another.

Two frames are in use. **Pixel centres**: integer coordinates are the centres of pixels, as in
OpenCV's warps and in ``part_homography``. **Corners**: pixel ``i`` reaches from ``i`` to
``i + 1``, as box coordinates and MMDetection's ``homography_matrix`` have it. They lie half a
pixel apart; :func:`between_corners` leads from the first to the second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    'as_homography',
    'between_corners',
    'compose_homographies',
    'invert_homography',
    'project_points',
]

_HALF_PIXEL = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
# Below this the matrix loses a dimension for all practical purposes.
_SMALLEST_DETERMINANT = 1e-12


def as_homography(values: npt.ArrayLike, name: str = 'homography') -> npt.NDArray[np.float64]:
    """Check a homography and scale its last entry to 1.

    With that, the images of points have a positive third coordinate on the side of the horizon
    where the first pixel of the image lies.

    Args:
        values (ArrayLike): Numbers, shape (3, 3).
        name (str): What the message calls them. Default ``homography``.

    Returns:
        np.ndarray: The same map, float64, shape (3, 3).

    Raises:
        ValueError: Another shape, a value that is not finite, a matrix without inverse, or one
            that sends the origin to infinity.

    Example:
        >>> as_homography([[2, 0, 0], [0, 2, 4], [0, 0, 2]]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]]
    """
    try:
        matrix = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{name} must be a 3x3 matrix of numbers, got {values!r}') from error
    if matrix.shape != (3, 3):
        raise ValueError(f'{name} must have shape (3, 3), got {matrix.shape}')
    if not np.isfinite(matrix).all():
        raise ValueError(f'{name} must be finite, got {matrix.tolist()}')
    size = np.abs(matrix).max()
    if size == 0 or abs(np.linalg.det(matrix / size)) < _SMALLEST_DETERMINANT:
        raise ValueError(f'{name} must have an inverse, got {matrix.tolist()}')
    if abs(matrix[2, 2]) < _SMALLEST_DETERMINANT * size:
        raise ValueError(f'{name} must not send the origin to infinity, got {matrix.tolist()}')
    return matrix / matrix[2, 2]


def invert_homography(matrix: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Invert a homography, keeping the sign of the third coordinate.

    Args:
        matrix (ArrayLike): Homography, shape (..., 3, 3).

    Returns:
        np.ndarray: Its inverse, float64, shape (..., 3, 3).

    Raises:
        ValueError: It has no inverse.

    Example:
        >>> invert_homography([[1, 0, 3], [0, 1, 0], [0, 0, 1]]).tolist()
        [[1.0, 0.0, -3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    values = np.asarray(matrix, np.float64)
    try:
        return np.asarray(np.linalg.inv(values) + 0.0, np.float64)
    except np.linalg.LinAlgError as error:
        raise ValueError(f'homography must have an inverse, got {values.tolist()}') from error


def compose_homographies(*matrices: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Join homographies into one that applies the first one first.

    Args:
        *matrices (ArrayLike): Homographies, shape (3, 3) each.

    Returns:
        np.ndarray: One homography, float64, shape (3, 3); the identity for none.

    Example:
        >>> shift, double = np.array([[1, 0, 5], [0, 1, 0], [0, 0, 1]]), np.diag([2, 2, 1])
        >>> project_points(np.array([[1.0, 1.0]]), compose_homographies(shift, double)).tolist()
        [[12.0, 2.0]]
    """
    joined = np.eye(3)
    for matrix in matrices:
        joined = np.asarray(matrix, np.float64) @ joined
    return joined


def between_corners(matrix: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn a homography between pixel centres into the same one between box coordinates.

    Args:
        matrix (ArrayLike): Homography between pixel centres, shape (3, 3).

    Returns:
        np.ndarray: Homography between corners, float64, shape (3, 3).

    Example:
        >>> turn = np.array([[-1.0, 0, 9], [0, -1, 9], [0, 0, 1]])  # a 10x10 image upside down
        >>> project_points(np.array([[0.0, 0.0]]), between_corners(turn)).tolist()
        [[10.0, 10.0]]
    """
    return _HALF_PIXEL @ np.asarray(matrix, np.float64) @ np.linalg.inv(_HALF_PIXEL)


def project_points(
    points: npt.NDArray[np.floating], matrix: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Map points by a homography.

    Args:
        points (np.ndarray): Points ``x, y``, shape (..., 2).
        matrix (ArrayLike): Homography, shape (3, 3).

    Returns:
        np.ndarray: Mapped points, float64, shape (..., 2); NaN for points on or beyond the
        horizon, which have no image.

    Example:
        >>> tilt = np.array([[1.0, 0, 0], [0, 1, 0], [0, -0.01, 1]])
        >>> project_points(np.array([[10.0, 50.0], [10.0, 100.0]]), tilt).tolist()
        [[20.0, 100.0], [nan, nan]]
    """
    matrix = np.asarray(matrix, np.float64)
    points = np.asarray(points, np.float64)
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    depth = np.where(mapped[..., 2:] > 0, mapped[..., 2:], np.nan)
    return mapped[..., :2] / depth
