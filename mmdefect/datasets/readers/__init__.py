"""Annotation readers, one per native format, all yielding the same records."""

from __future__ import annotations

from mmdefect.datasets.readers.base import BaseReader
from mmdefect.datasets.readers.coco import COCOReader
from mmdefect.datasets.readers.cvat import CVATReader
from mmdefect.datasets.readers.deeppcb import DeepPCBReader
from mmdefect.datasets.readers.folder import FolderReader
from mmdefect.datasets.readers.formats import FORMATS, detect_format, open_reader, reader_class
from mmdefect.datasets.readers.label_studio import LabelStudioReader
from mmdefect.datasets.readers.labelme import LabelMeReader
from mmdefect.datasets.readers.mask import MaskReader
from mmdefect.datasets.readers.severstal import SeverstalReader
from mmdefect.datasets.readers.sku110k import SKU110KReader
from mmdefect.datasets.readers.voc import VOCReader
from mmdefect.datasets.readers.yolo import YOLOReader

__all__ = [
    'FORMATS',
    'BaseReader',
    'COCOReader',
    'CVATReader',
    'DeepPCBReader',
    'FolderReader',
    'LabelMeReader',
    'LabelStudioReader',
    'MaskReader',
    'SKU110KReader',
    'SeverstalReader',
    'VOCReader',
    'YOLOReader',
    'detect_format',
    'open_reader',
    'reader_class',
]
