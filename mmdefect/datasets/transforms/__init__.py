"""Registered steps of data pipelines."""

from __future__ import annotations

from mmdefect.datasets.transforms.boxes_to_scores import BoxesToScores
from mmdefect.datasets.transforms.colour_space import ColourSpace
from mmdefect.datasets.transforms.load_image import LoadImage
from mmdefect.datasets.transforms.pack_inputs import PackInputs
from mmdefect.datasets.transforms.per_view import PerView
from mmdefect.datasets.transforms.registered_crop import RegisteredCrop
from mmdefect.datasets.transforms.to_grey import ToGrey

__all__ = [
    'BoxesToScores',
    'ColourSpace',
    'LoadImage',
    'PackInputs',
    'PerView',
    'RegisteredCrop',
    'ToGrey',
]
