"""Boxes on images, contact sheets and figures: NumPy, OpenCV and, for figures, Matplotlib."""

from __future__ import annotations

from mmdefect.drawing.anchor_figure import draw_anchors
from mmdefect.drawing.boxes import draw_boxes
from mmdefect.drawing.class_progress import draw_class_progress
from mmdefect.drawing.colours import class_colours
from mmdefect.drawing.pseudo_labels import PseudoLabelImage, draw_pseudo_labels
from mmdefect.drawing.sheet import contact_sheet
from mmdefect.drawing.threshold_figure import ThresholdPanel, draw_thresholds
from mmdefect.drawing.verdict import draw_verdict

__all__ = [
    'PseudoLabelImage',
    'ThresholdPanel',
    'class_colours',
    'contact_sheet',
    'draw_anchors',
    'draw_boxes',
    'draw_class_progress',
    'draw_pseudo_labels',
    'draw_verdict',
    'draw_thresholds',
]
