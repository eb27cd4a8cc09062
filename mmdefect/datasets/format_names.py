"""The annotation formats that have a reader. Light to import, for the help of commands."""

from __future__ import annotations

__all__ = ['FORMATS']

# Name in commands -> reader in mmdefect.datasets.readers, in the order of `convert --help`.
FORMATS: dict[str, str] = {
    'voc': 'VOCReader',
    'coco': 'COCOReader',
    'yolo': 'YOLOReader',
    'labelme': 'LabelMeReader',
    'label-studio': 'LabelStudioReader',
    'cvat': 'CVATReader',
    'mask': 'MaskReader',
    'deeppcb': 'DeepPCBReader',
    'sku110k': 'SKU110KReader',
    'severstal': 'SeverstalReader',
    'folder': 'FolderReader',
}
