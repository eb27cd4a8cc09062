"""A tile of a loaded image: pixels, boxes and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmdefect.datasets.tile_table import is_shown, visible_shares
from mmdefect.errors import InputError

__all__ = ['cut_instances', 'cut_tile']

# Of the whole image; a step such as Resize writes them anew.
_LEFT_OUT = ('scale', 'homography_matrix', 'pad_shape', 'flip', 'flip_direction')


def cut_tile(loaded: Mapping[str, Any], tile: Sequence[int], min_visible: float) -> dict[str, Any]:
    """Cut a tile out of a sample that has been loaded.

    Boxes are clipped to the tile, masks cut. What shows less than ``min_visible`` of its box is
    marked as ignored: it is neither a positive nor background. What shows nothing, or none of its
    mask, is left out.

    Args:
        loaded (Mapping): A sample after loading: ``img`` (h, w, channels) and, where there are
            any, ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags``, ``gt_masks``,
            ``gt_seg_map``, ``instances``. Not changed.
        tile (Sequence[int]): ``xyxy`` in pixels, inside the image.
        min_visible (float): Share of a box, 0 to 1.

    Returns:
        dict: A sample of its own, whose ``img_shape`` and ``ori_shape`` are those of the tile and
        whose ``tile`` says where it lies; of
        no scale, as tiles are cut from the pixels that were loaded.

    Raises:
        InputError: The boxes are not of MMDetection's box types.

    Example:
        >>> from mmdet.structures.bbox import HorizontalBoxes
        >>> loaded = dict(img=np.zeros((4, 8, 3), np.uint8),
        ...               gt_bboxes=HorizontalBoxes([[2., 0, 6, 4], [0, 0, 1, 1]], in_mode='xyxy'),
        ...               gt_bboxes_labels=np.array([5, 6]), gt_ignore_flags=np.zeros(2, bool))
        >>> cut = cut_tile(loaded, (4, 0, 8, 4), 0.5)
        >>> cut['img'].shape, cut['gt_bboxes'].tensor.tolist(), cut['gt_bboxes_labels'].tolist()
        ((4, 4, 3), [[0.0, 0.0, 2.0, 4.0]], [5])
    """
    x1, y1, x2, y2 = (int(side) for side in tile)
    shape = (y2 - y1, x2 - x1)
    cut = {key: value for key, value in loaded.items() if key not in _LEFT_OUT}
    cut.update(
        img=loaded['img'][y1:y2, x1:x2].copy(),
        img_shape=shape,
        ori_shape=shape,
        height=shape[0],
        width=shape[1],
        scale_factor=(1.0, 1.0),
        tile=(x1, y1, x2, y2),
    )
    if 'instances' in loaded:
        cut['instances'] = cut_instances(loaded['instances'], tile, min_visible)
    if 'gt_seg_map' in loaded:
        cut['gt_seg_map'] = loaded['gt_seg_map'][y1:y2, x1:x2].copy()
    if 'gt_bboxes' not in loaded:
        return cut
    boxes = loaded['gt_bboxes']
    if not hasattr(boxes, 'translate_'):
        raise InputError(
            'TiledDataset: the inner pipeline loads boxes as '
            f"{type(boxes).__name__}; set box_type='hbox' of its LoadAnnotations"
        )
    shares = visible_shares(np.array([tile]), boxes.tensor.double().numpy())[0]
    visible = shares > 0
    if 'gt_masks' in loaded:
        masks = loaded['gt_masks'].crop(np.array([x1, y1, x2, y2]))
        visible &= np.asarray(masks.areas) > 0
        cut['gt_masks'] = masks[visible]
    boxes = boxes[visible].clone()
    boxes.translate_([-x1, -y1])
    boxes.clip_(shape)
    cut['gt_bboxes'] = boxes
    cut['gt_bboxes_labels'] = loaded['gt_bboxes_labels'][visible]
    fragment = ~is_shown(shares, min_visible)
    if 'gt_ignore_flags' in loaded:
        cut['gt_ignore_flags'] = (loaded['gt_ignore_flags'].astype(bool) | fragment)[visible]
    return cut


def cut_instances(
    instances: Sequence[Mapping[str, Any]], tile: Sequence[int], min_visible: float
) -> list[dict[str, Any]]:
    """Clip the boxes of annotations to a tile, as :func:`cut_tile` does those of a sample.

    Args:
        instances (Sequence[Mapping]): With ``bbox`` (``xyxy``) and ``ignore_flag``.
        tile (Sequence[int]): ``xyxy`` in pixels.
        min_visible (float): Share of a box, 0 to 1.

    Returns:
        list[dict]: Those that the tile shows, in its frame, without ``mask``.

    Example:
        >>> cut_instances([dict(bbox=[2, 0, 6, 4], bbox_label=1)], (4, 0, 8, 4), 0.75)
        [{'bbox': [0.0, 0.0, 2.0, 4.0], 'bbox_label': 1, 'ignore_flag': 1}]
    """
    boxes = np.array([item['bbox'] for item in instances], np.float64).reshape(-1, 4)
    shares = visible_shares(np.array([tile]), boxes)[0]
    shown = is_shown(shares, min_visible)
    x1, y1, x2, y2 = tile
    clipped = np.clip(boxes, [x1, y1, x1, y1], [x2, y2, x2, y2]) - [x1, y1, x1, y1]
    return [
        {
            **{key: value for key, value in instances[index].items() if key != 'mask'},
            'bbox': clipped[index].tolist(),
            'ignore_flag': int(bool(instances[index].get('ignore_flag', 0)) or not shown[index]),
        }
        for index in np.flatnonzero(shares > 0).tolist()
    ]
