"""Faster R-CNN that looks at all views of a part."""

from __future__ import annotations

from mmdet.models.detectors import FasterRCNN

from mmdefect.models.detectors.multi_view_detector import MultiViewDetector
from mmdefect.registry import MODELS

__all__ = ['MultiViewFasterRCNN']


@MODELS.register_module()
class MultiViewFasterRCNN(MultiViewDetector, FasterRCNN):
    """MMDetection's Faster R-CNN with a fusion of the views of a part after its neck.

    Args:
        fusion (Mapping | None): As of :class:`MultiViewDetector`. Default None.
        **kwargs (Any): ``backbone, neck, rpn_head, roi_head, train_cfg, test_cfg,
            data_preprocessor, init_cfg`` as of MMDetection's ``FasterRCNN``.

    Raises:
        InputError: An unknown key.

    Source:
        Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal
        Networks", NeurIPS 2015.

    Example:
        >>> MultiViewFasterRCNN(fusio=None)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: MultiViewFasterRCNN: unknown key 'fusio'; did you mean 'fusion'?
    """
