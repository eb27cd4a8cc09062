"""Small data classes that pass between the rooms."""

from __future__ import annotations

from mmdefect.structures.record import ImageRecord, Problem

__all__ = ['ImageRecord', 'Problem']
