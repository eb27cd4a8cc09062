"""Packing of a sample that loses no meta key silently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.datasets.transforms import PackDetInputs

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import TRANSFORMS

__all__ = ['PackInputs']

_META_KEYS = ('img_path', 'ori_shape', 'img_shape', 'scale_factor')
_OPTIONAL_META_KEYS = (
    'img_id', 'instances', 'flip', 'flip_direction', 'homography_matrix', 'part_id', 'view_id',
    'view_role', 'part_homography',
)  # fmt: skip


@TRANSFORMS.register_module()
class PackInputs(PackDetInputs):
    """Pack an image and its boxes for a detector.

    MMDetection's ``PackDetInputs`` silently leaves out meta keys that no earlier step made. Here
    ``meta_keys`` must be there; ``optional_meta_keys`` are packed where they exist. One is always
    there: ``homography_matrix`` (float32, (3, 3), original pixel -> network pixel) is the identity
    where no geometric step ran.

    Required keys: ``img`` and ``meta_keys``. Used where present: ``gt_bboxes``,
    ``gt_bboxes_labels``, ``gt_ignore_flags``, ``gt_masks``.

    Args:
        meta_keys (Sequence[str]): Keys that every sample has. Default ``img_path,
            ori_shape, img_shape, scale_factor``.
        optional_meta_keys (Sequence[str]): Keys that a sample may have. Default ``img_id,
            instances, flip, flip_direction, homography_matrix, part_id, view_id, view_role,
            part_homography``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key here; on packing, a sample without one of ``meta_keys``.

    Example:
        >>> packed = PackInputs(meta_keys=['img_path'])(
        ...     dict(img=np.zeros((4, 6, 3), np.uint8), img_path='a.png', part_id='p1'))
        >>> tuple(packed['inputs'].shape), packed['data_samples'].part_id
        ((3, 4, 6), 'p1')
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = _META_KEYS,
        optional_meta_keys: Sequence[str] = _OPTIONAL_META_KEYS,
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('PackInputs', unknown, ('meta_keys', 'optional_meta_keys'))
        optional = [key for key in optional_meta_keys if key not in meta_keys]
        super().__init__(meta_keys=(*meta_keys, *optional))
        self.required_meta_keys = tuple(meta_keys)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack one sample.

        Args:
            results (dict): The sample.

        Returns:
            dict: ``inputs``, a contiguous tensor (channels, h, w), and ``data_samples``.

        Raises:
            InputError: A required meta key is absent.
        """
        for key in self.required_meta_keys:
            if key not in results:
                raise InputError(
                    f'PackInputs: meta key {key!r} is absent from {results.get("img_path")}; add '
                    'the step that makes it, or list it under optional_meta_keys'
                )
        if 'img' in results:
            results['img'] = np.ascontiguousarray(results['img'])
        if results.get('homography_matrix') is None:
            results['homography_matrix'] = np.eye(3, dtype=np.float32)
        return super().transform(results)
