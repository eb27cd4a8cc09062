"""Boxes on images and contact sheets: NumPy and OpenCV only."""

from __future__ import annotations

from mmdefect.drawing.boxes import draw_boxes
from mmdefect.drawing.colours import class_colours
from mmdefect.drawing.sheet import contact_sheet

__all__ = ['class_colours', 'contact_sheet', 'draw_boxes']
