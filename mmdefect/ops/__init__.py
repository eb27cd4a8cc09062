"""Detection operators in plain PyTorch.

They need torch only. Where torchvision's compiled library or mmcv's compiled ops load, and are
the faster ones, those serve the call; :func:`implementation` says which, and the environment
variable ``MMDEFECT_OPS`` (``torch``, ``mmcv`` or ``torchvision``) chooses.
"""

from __future__ import annotations

from mmdefect.ops.backends import available_backends, implementation
from mmdefect.ops.box_fusion import FusedBoxes, weighted_box_fusion
from mmdefect.ops.box_merging import non_max_merging
from mmdefect.ops.focal_loss import sigmoid_focal_loss
from mmdefect.ops.nms import batched_nms, nms
from mmdefect.ops.roi_align import multilevel_roi_align, roi_align
from mmdefect.ops.soft_nms import soft_nms

__all__ = [
    'FusedBoxes',
    'available_backends',
    'batched_nms',
    'implementation',
    'multilevel_roi_align',
    'nms',
    'non_max_merging',
    'roi_align',
    'sigmoid_focal_loss',
    'soft_nms',
    'weighted_box_fusion',
]
