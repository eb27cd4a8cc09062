"""RetinaNet that looks at all views of a part."""

from __future__ import annotations

from mmdet.models.detectors import RetinaNet

from mmdefect.models.detectors.multi_view_detector import MultiViewDetector
from mmdefect.registry import MODELS

__all__ = ['MultiViewRetinaNet']


@MODELS.register_module()
class MultiViewRetinaNet(MultiViewDetector, RetinaNet):
    """MMDetection's RetinaNet with a fusion of the views of a part after its neck.

    Args:
        fusion (Mapping | None): As of :class:`MultiViewDetector`. Default None.
        **kwargs (Any): ``backbone, neck, bbox_head, train_cfg, test_cfg, data_preprocessor,
            init_cfg`` as of MMDetection's ``RetinaNet``.

    Raises:
        InputError: An unknown key.

    Source:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Example:
        >>> MultiViewRetinaNet(fusio=None)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: MultiViewRetinaNet: unknown key 'fusio'; did you mean 'fusion'?
    """
