"""Registered steps of data pipelines."""

from __future__ import annotations

from mmdefect.datasets.transforms.load_image import LoadImage
from mmdefect.datasets.transforms.pack_inputs import PackInputs
from mmdefect.datasets.transforms.to_grey import ToGrey

__all__ = ['LoadImage', 'PackInputs', 'ToGrey']
