"""A random crop that shows the same place of a part in all of its views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import RandomCrop
from numpy.typing import NDArray

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.geometry import (
    as_homography,
    between_corners,
    compose_homographies,
    invert_homography,
    project_points,
)
from mmdefect.registry import TRANSFORMS

__all__ = ['RegisteredCrop']


@TRANSFORMS.register_module()
class RegisteredCrop(BaseTransform):
    """Cut a window out of one view and the window around the same place out of the others.

    Stands between two ``mmdefect.PerView``: the first loads images and boxes, the second goes on
    with the crops. The window is drawn in the first view to inspect and followed to the other
    views through ``homography_matrix`` and ``part_homography``, moved back where it would leave
    an image. Views of equal size with the same homography get the very same window. An image
    that is smaller than the window stays whole in that direction.

    Required keys: ``views``, each with ``img``, ``view_role``, ``homography_matrix`` (MMDetection's
    convention, original view pixel -> pixel of ``img``) and, in parts of several views,
    ``part_homography``. Modified keys of each view: ``img``, ``img_shape``,
    ``homography_matrix``, ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags``, ``gt_masks``.

    Args:
        crop_size (tuple[int, int]): ``(w, h)``, pixels.
        min_visible (float): Share of a box's area, 0 to 1, that the window must show for the box
            to stay; it is then clipped. Default 0.25: a sliver at the edge would teach edges.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on use, a sample without ``views``, or a view
            that is not registered to the others.

    Example:
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> view = dict(img=image, view_role='inspect', homography_matrix=np.eye(3),
        ...             part_homography=np.eye(3), img_path='a.png')
        >>> part = RegisteredCrop(crop_size=(4, 6))({'views': [view, dict(view)]})
        >>> [view['img'].shape for view in part['views']]
        [(6, 4, 3), (6, 4, 3)]
    """

    def __init__(
        self, crop_size: tuple[int, int] = (320, 320), min_visible: float = 0.25, **unknown: Any
    ) -> None:
        reject_unknown_keys('RegisteredCrop', unknown, ('crop_size', 'min_visible'))
        sides = tuple(crop_size) if isinstance(crop_size, (list, tuple)) else ()
        if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
            raise InputError(
                f'RegisteredCrop: crop_size must be (w, h) in whole pixels, got {crop_size!r}'
            )
        if not 0 <= min_visible <= 1:
            raise InputError(f'RegisteredCrop: min_visible must be 0 to 1, got {min_visible!r}')
        self.crop_size = sides
        self.min_visible = min_visible
        self._window = _Window(crop_size=(sides[1], sides[0]))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop all views of a part.

        Args:
            results (dict): The part.

        Returns:
            dict: The part with cropped views.

        Raises:
            InputError: It has no ``views``, or one of them is not registered to the others.
        """
        if 'views' not in results:
            raise InputError('RegisteredCrop: the sample has no views; put it after PerView')
        views = results['views']
        first = next((view for view in views if view['view_role'] == 'inspect'), views[0])
        place = self._draw(first)
        centre = np.array(place) + np.array(self._size(first)) / 2
        cropped = []
        for view in views:
            if view is not first:
                there = project_points(centre, _between(first, view))
                place = self._nearest(view, there)
            cropped.append(self._crop(view, place))
        return {**results, 'views': cropped}

    def _size(self, view: Mapping[str, Any]) -> tuple[int, int]:
        """``(w, h)`` of the window in a view."""
        height, width = view['img'].shape[:2]
        return min(width, self.crop_size[0]), min(height, self.crop_size[1])

    def _room(self, view: Mapping[str, Any]) -> NDArray[np.int64]:
        """Largest offsets ``x, y`` of the window."""
        height, width = view['img'].shape[:2]
        return np.array([width, height]) - self._size(view)

    def _draw(self, view: Mapping[str, Any]) -> tuple[int, int]:
        x, y = (int(np.random.randint(0, room + 1)) for room in self._room(view))
        return x, y

    def _nearest(self, view: Mapping[str, Any], centre: NDArray[np.float64]) -> tuple[int, int]:
        """Offset of the window around a place, inside the image."""
        room = self._room(view)
        # A place beyond the horizon of a view is in none of its windows.
        offset = np.nan_to_num(centre, nan=0.0) - np.array(self._size(view)) / 2
        x, y = np.clip(np.rint(offset), 0, room).astype(int).tolist()
        return x, y

    def _crop(self, view: dict[str, Any], place: tuple[int, int]) -> dict[str, Any]:
        width, height = self._size(view)
        view = _without_slivers(view, (*place, place[0] + width, place[1] + height), self)
        view = self._window.cut(view, place, (width, height))
        view['img'] = np.ascontiguousarray(view['img'])
        return view

    def __repr__(self) -> str:
        """As in a config."""
        return f'RegisteredCrop(crop_size={self.crop_size}, min_visible={self.min_visible})'


class _Window(RandomCrop):
    """MMDetection's crop at a given place."""

    def __init__(self, crop_size: tuple[int, int]) -> None:
        super().__init__(crop_size=crop_size, allow_negative_crop=True)
        self._place = (0, 0)

    def cut(
        self, view: dict[str, Any], place: tuple[int, int], size: tuple[int, int]
    ) -> dict[str, Any]:
        """Crop at an offset ``x, y`` to ``(w, h)``."""
        self._place = place[::-1]
        return self._crop_data(view, size[::-1], True)

    def _rand_offset(self, margin: tuple[int, int]) -> tuple[int, int]:
        return self._place


def _without_slivers(
    view: dict[str, Any], window: tuple[int, int, int, int], crop: RegisteredCrop
) -> dict[str, Any]:
    """Drop the boxes of which the window shows too little."""
    boxes = view.get('gt_bboxes')
    if boxes is None:
        return dict(view)
    corners = boxes.tensor.numpy().astype(np.float64)
    inside = np.concatenate(
        [np.maximum(corners[:, :2], window[:2]), np.minimum(corners[:, 2:], window[2:])], axis=1
    )
    areas, shown = (
        np.clip(box[:, 2:] - box[:, :2], 0, None).prod(axis=1) for box in (corners, inside)
    )
    kept = np.flatnonzero((shown > 0) & (shown >= crop.min_visible * areas))
    keys = ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks')
    return {**view, **{key: view[key][kept] for key in keys if view.get(key) is not None}}


def _between(first: Mapping[str, Any], other: Mapping[str, Any]) -> NDArray[np.float64]:
    """From pixels of one view's ``img`` to those of another's, by way of the part."""
    return compose_homographies(_to_part(first), invert_homography(_to_part(other)))


def _to_part(view: Mapping[str, Any]) -> NDArray[np.float64]:
    if view.get('part_homography') is None:
        raise InputError(
            f'{view.get("img_path")}: no part_homography, so RegisteredCrop cannot find the same '
            "place in the part's other views; add it, or crop in PerView"
        )
    try:
        to_part = between_corners(as_homography(view['part_homography']))
        return compose_homographies(invert_homography(view['homography_matrix']), to_part)
    except ValueError as error:
        raise InputError(f'{view.get("img_path")}: {error}; correct it') from error
