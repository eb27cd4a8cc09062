"""What an image shows, for classifiers, from its boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmdefect.errors import InputError, strict_keys
from mmdefect.registry import TRANSFORMS

__all__ = ['BoxesToScores']


@TRANSFORMS.register_module()
@strict_keys
class BoxesToScores(BaseTransform):
    """Turn the boxes of an image, or tile, into the target of a multi-label classifier.

    A class is there if a box of it is; ignored boxes, such as those of which a tile shows less
    than ``min_visible``, do not count. Put it after the steps that change geometry, and before
    ``mmpretrain.PackInputs``, which packs the target.

    Required keys: ``gt_bboxes_labels``. Used where present: ``gt_ignore_flags``. Added key:
    ``gt_score`` (float32, (C,), 0 or 1).

    Args:
        num_classes (int): Number of classes C.

    Raises:
        InputError: An unknown or missing key, or a value out of range; on use, a sample whose
            boxes were not loaded, or of a class beyond C.

    Example:
        >>> sample = dict(gt_bboxes_labels=np.array([2, 0]), gt_ignore_flags=np.array([0, 1]))
        >>> BoxesToScores(num_classes=3)(sample)['gt_score'].tolist()
        [0.0, 0.0, 1.0]
    """

    def __init__(self, num_classes: int) -> None:
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
            raise InputError(
                'BoxesToScores: num_classes must be a whole number of at least 1, got '
                f'{num_classes!r}'
            )
        self.num_classes = num_classes

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the target.

        Args:
            results (dict): The sample.

        Returns:
            dict: The same sample with ``gt_score``.

        Raises:
            InputError: The boxes were not loaded, or a label is beyond the classes.
        """
        if 'gt_bboxes_labels' not in results:
            raise InputError(
                f'{results.get("img_path")}: BoxesToScores needs boxes; add '
                "dict(type='LoadAnnotations', with_bbox=True) before it"
            )
        labels = np.asarray(results['gt_bboxes_labels'], np.int64)
        if 'gt_ignore_flags' in results:
            labels = labels[~np.asarray(results['gt_ignore_flags'], bool)]
        if labels.max(initial=0) >= self.num_classes:
            raise InputError(
                f'{results.get("img_path")}: label {labels.max()} is beyond num_classes='
                f'{self.num_classes} of BoxesToScores; give the number of classes of the data set'
            )
        results['gt_score'] = np.zeros(self.num_classes, np.float32)
        results['gt_score'][labels] = 1
        return results

    def __repr__(self) -> str:
        """As in a config."""
        return f'BoxesToScores(num_classes={self.num_classes})'
