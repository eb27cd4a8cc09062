"""Where the augmented image of a view lies on its part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mmdet.structures import DetDataSample

from mmdefect.errors import InputError
from mmdefect.geometry import (
    as_homography,
    between_corners,
    box_quadrilaterals,
    compose_homographies,
    invert_homography,
    project_points,
    shares_inside,
)

__all__ = ['ViewFrame', 'read_view_frame']


@dataclass(frozen=True, slots=True)
class ViewFrame:
    """Geometry of one augmented image. All coordinates are those of boxes: corners of pixels.

    Args:
        from_view (np.ndarray): Homography of the original view to the augmented image, shape
            (3, 3).
        to_part (np.ndarray | None): Homography of the original view to the part, shape (3, 3);
            None for free geometry.
        image_size (tuple[int, int]): Width and height of the augmented image, pixels.
        view_size (tuple[int, int]): Width and height of the original view, pixels.

    Example:
        >>> half = ViewFrame(np.diag([.5, .5, 1]), np.eye(3), (40, 40), (80, 80))
        >>> half.boxes_on_part(np.array([[5.0, 5, 10, 10]])).tolist()
        [[[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]]]
    """

    from_view: npt.NDArray[np.float64]
    to_part: npt.NDArray[np.float64] | None
    image_size: tuple[int, int]
    view_size: tuple[int, int]

    def boxes_on_part(self, boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Lay boxes of the augmented image on the part.

        Args:
            boxes (np.ndarray): Boxes ``x1, y1, x2, y2``, augmented pixels, shape (N, 4).

        Returns:
            np.ndarray: Corners ``x, y`` on the part, float64, shape (N, 4, 2); where the
            geometry is free, in the original view.
        """
        to_part = np.eye(3) if self.to_part is None else self.to_part
        whole = compose_homographies(invert_homography(self.from_view), to_part)
        return project_points(box_quadrilaterals(boxes), whole)

    def shares_shown(self, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Measure which share of places on the part this image shows.

        Args:
            places (np.ndarray): Corners ``x, y`` on the part, shape (N, 4, 2).

        Returns:
            np.ndarray: 0 to 1, shape (N,): what lies outside the original view, or was cropped
            away, is not shown.
        """
        in_view = self.to_view(places)
        in_image = project_points(in_view, self.from_view)
        return np.minimum(
            shares_inside(in_view, *self.view_size), shares_inside(in_image, *self.image_size)
        )

    def to_view(self, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Lead places on the part into the original view.

        Args:
            places (np.ndarray): Corners ``x, y`` on the part, shape (N, K, 2).

        Returns:
            np.ndarray: Corners ``x, y``, pixels of the view, float64, shape (N, K, 2).

        Raises:
            ValueError: The geometry is free.
        """
        if self.to_part is None:
            raise ValueError('to_part must be known, got None: the geometry of this view is free')
        return project_points(places, invert_homography(self.to_part))

    def to_image(self, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Lead places on the part into the augmented image.

        Args:
            places (np.ndarray): Corners ``x, y`` on the part, shape (N, K, 2).

        Returns:
            np.ndarray: Corners ``x, y``, augmented pixels, float64, shape (N, K, 2).

        Raises:
            ValueError: The geometry is free.
        """
        return project_points(self.to_view(places), self.from_view)

    def touches_border(self, boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Tell boxes that reach the border of the augmented image, to a pixel.

        Args:
            boxes (np.ndarray): Boxes ``x1, y1, x2, y2``, augmented pixels, shape (N, 4).

        Returns:
            np.ndarray: Shape (N,); what they hold may go on outside.
        """
        width, height = self.image_size
        low, high = boxes[:, :2], np.array([width, height]) - boxes[:, 2:]
        return (low <= 1).any(axis=1) | (high <= 1).any(axis=1)


def read_view_frame(sample: DetDataSample) -> ViewFrame:
    """Read the geometry of an image from its meta keys.

    Args:
        sample (DetDataSample): With ``homography_matrix`` (3x3, original view -> augmented image,
            MMDetection's convention), ``img_shape`` and ``ori_shape`` (``(h, w)``), and, for
            registered views, ``part_homography`` (3x3, pixel centres of the original view ->
            those of the part).

    Returns:
        ViewFrame: The geometry.

    Raises:
        InputError: A meta key is missing, or a matrix is no homography.

    Example:
        >>> meta = dict(homography_matrix=np.eye(3), img_shape=(6, 8), ori_shape=(6, 8))
        >>> read_view_frame(DetDataSample(metainfo=meta)).image_size
        (8, 6)
    """
    name = sample.get('img_path') or 'a view'
    for key in ('homography_matrix', 'img_shape', 'ori_shape'):
        if sample.get(key) is None:
            raise InputError(
                f"{name}: the meta key '{key}' does not reach the model; pack with "
                "dict(type='mmdefect.PackInputs') or add it to meta_keys of PackDetInputs"
            )
    to_part = sample.get('part_homography')
    try:
        from_view = as_homography(sample.homography_matrix, 'homography_matrix')
        if to_part is not None:
            to_part = as_homography(between_corners(as_homography(to_part, 'part_homography')))
    except ValueError as error:
        raise InputError(f'{name}: {error}') from error
    (height, width), (view_height, view_width) = sample.img_shape[:2], sample.ori_shape[:2]
    return ViewFrame(
        from_view, to_part, (int(width), int(height)), (int(view_width), int(view_height))
    )
