"""How well anchors cover boxes, and anchors that do: NumPy only, no torch."""

from __future__ import annotations

from mmdefect.evaluation.anchors.anchor_set import AnchorForm, AnchorSet
from mmdefect.evaluation.anchors.box_iou import best_grid_iou, best_shape_iou
from mmdefect.evaluation.anchors.coverage import Coverage, ShapeStatistics, shape_statistics
from mmdefect.evaluation.anchors.fit import FittedShapes, fit_shapes
from mmdefect.evaluation.anchors.placed_boxes import PlacedBoxes

__all__ = [
    'AnchorForm',
    'AnchorSet',
    'Coverage',
    'FittedShapes',
    'PlacedBoxes',
    'ShapeStatistics',
    'best_grid_iou',
    'best_shape_iou',
    'fit_shapes',
    'shape_statistics',
]
