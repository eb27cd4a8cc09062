"""Data sets and what feeds them. Importing this package loads neither torch nor OpenMMLab."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    'BoxesToScores',
    'COCOReader',
    'CVATReader',
    'DeepPCBReader',
    'DefectDataset',
    'DensityCurriculumSampler',
    'FolderReader',
    'LabelMeReader',
    'LabelStudioReader',
    'LoadImage',
    'MaskReader',
    'MultiViewDataset',
    'PackInputs',
    'PerView',
    'RegisteredCrop',
    'SKU110KReader',
    'SemiSupervisedSampler',
    'SeverstalReader',
    'TileSampler',
    'TiledDataset',
    'ToGrey',
    'VOCReader',
    'YOLOReader',
    'decode_runs',
    'encode_runs',
    'image_size',
    'multi_view_collate',
    'read_image',
    'records_to_coco',
    'split_coco',
    'write_severstal',
]

_HOMES = {
    'BoxesToScores': 'mmdefect.datasets.transforms',
    'COCOReader': 'mmdefect.datasets.readers',
    'CVATReader': 'mmdefect.datasets.readers',
    'DeepPCBReader': 'mmdefect.datasets.readers',
    'DefectDataset': 'mmdefect.datasets.defect_dataset',
    'DensityCurriculumSampler': 'mmdefect.datasets.samplers',
    'FolderReader': 'mmdefect.datasets.readers',
    'LabelMeReader': 'mmdefect.datasets.readers',
    'LabelStudioReader': 'mmdefect.datasets.readers',
    'LoadImage': 'mmdefect.datasets.transforms',
    'MaskReader': 'mmdefect.datasets.readers',
    'MultiViewDataset': 'mmdefect.datasets.multi_view_dataset',
    'PackInputs': 'mmdefect.datasets.transforms',
    'PerView': 'mmdefect.datasets.transforms',
    'RegisteredCrop': 'mmdefect.datasets.transforms',
    'SKU110KReader': 'mmdefect.datasets.readers',
    'SemiSupervisedSampler': 'mmdefect.datasets.samplers',
    'SeverstalReader': 'mmdefect.datasets.readers',
    'TileSampler': 'mmdefect.datasets.samplers',
    'TiledDataset': 'mmdefect.datasets.tiled_dataset',
    'ToGrey': 'mmdefect.datasets.transforms',
    'VOCReader': 'mmdefect.datasets.readers',
    'YOLOReader': 'mmdefect.datasets.readers',
    'decode_runs': 'mmdefect.datasets.run_length',
    'encode_runs': 'mmdefect.datasets.run_length',
    'image_size': 'mmdefect.datasets.images',
    'multi_view_collate': 'mmdefect.datasets.collate',
    'read_image': 'mmdefect.datasets.images',
    'records_to_coco': 'mmdefect.datasets.coco_file',
    'split_coco': 'mmdefect.datasets.split',
    'write_severstal': 'mmdefect.datasets.severstal_file',
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
