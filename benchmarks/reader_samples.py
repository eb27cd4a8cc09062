"""A tiny valid data set in each annotation format, to mutate."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ['Sample', 'make_samples']

_SIZE = (32, 24)
_NAMES = ('chip', 'rust')


@dataclass(frozen=True)
class Sample:
    """A data set in memory, and how to read it.

    Args:
        name (str): What results call it.
        source_format (str): Format name of :func:`mmdefect.datasets.readers.open_reader`.
        files (dict[str, bytes]): Content by path below the data set.
        source (str): What to open, below the data set; ``''`` is its folder.
        options (dict[str, Any]): Further arguments of the reader.
    """

    name: str
    source_format: str
    files: dict[str, bytes]
    source: str = ''
    options: dict[str, Any] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Write all files below a folder.

        Args:
            root (Path): The folder; made where it is missing.
        """
        for name, data in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def make_samples() -> dict[str, Sample]:
    """Make one sample per format, more where a format has several layouts.

    Returns:
        dict[str, Sample]: By name.
    """
    samples = (
        Sample('voc', 'voc', _voc()),
        Sample(
            'voc list', 'voc', {**_voc(), 'train.txt': b'a\nb\n'}, '', {'list_file': 'train.txt'}
        ),
        Sample('coco', 'coco', _coco(), 'train.json'),
        Sample('coco folder', 'coco', _coco()),
        Sample('yolo', 'yolo', _yolo('classes.txt', b'chip\nrust\n')),
        Sample('yolo yaml', 'yolo', _yolo('data.yaml', b'nc: 2\nnames:\n  0: chip\n  1: rust\n')),
        Sample('labelme', 'labelme', _labelme()),
        Sample('labelme file', 'labelme', _labelme(), 'a.json'),
        Sample('label-studio', 'label-studio', _label_studio(), 'export.json'),
        Sample('cvat', 'cvat', _cvat(), 'annotations.xml'),
        Sample('cvat folder', 'cvat', _cvat()),
        Sample('mask', 'mask', _masks()),
        Sample('deeppcb', 'deeppcb', _deeppcb()),
        Sample('sku110k', 'sku110k', _sku110k(), 'annotations_train.csv'),
        Sample('sku110k folder', 'sku110k', _sku110k()),
        Sample('severstal', 'severstal', _severstal(), 'train.csv', {'size': _SIZE}),
        Sample('severstal folder', 'severstal', _severstal(), '', {'size': _SIZE}),
        Sample('folder', 'folder', _images('sub/')),
    )
    return {sample.name: sample for sample in samples}


def _picture(kind: str = 'PNG', mode: str = 'L', **keys: Any) -> bytes:
    width, height = _SIZE
    grey = np.arange(width * height, dtype=np.uint8).reshape(height, width)
    buffer = io.BytesIO()
    Image.fromarray(grey).convert(mode).save(buffer, kind, **keys)
    return buffer.getvalue()


def _images(folder: str) -> dict[str, bytes]:
    return {
        f'{folder}a.png': _picture(),
        f'{folder}b.jpg': _picture('JPEG', 'RGB'),
        f'{folder}c.tif': _picture('TIFF', compression='tiff_lzw'),
    }


def _stems() -> list[tuple[str, str]]:
    return [('a', 'a.png'), ('b', 'b.jpg'), ('c', 'c.tif')]


def _voc() -> dict[str, bytes]:
    files = _images('images/')
    for stem, name in _stems():
        boxes = ''.join(
            f'<object><name>{label}</name><pose>Unspecified</pose><difficult>{index}</difficult>'
            f'<bndbox><xmin>{1 + index}</xmin><ymin>2</ymin><xmax>9.5</xmax><ymax>12</ymax>'
            '</bndbox></object>'
            for index, label in enumerate(_NAMES)
        )
        files[f'annotations/{stem}.xml'] = (
            f'<annotation><folder>images</folder><filename>{name}</filename><size>'
            f'<width>{_SIZE[0]}</width><height>{_SIZE[1]}</height><depth>1</depth></size>'
            f'{boxes if stem != "c" else ""}</annotation>'
        ).encode()
    return files


def _coco() -> dict[str, bytes]:
    images = [
        {'id': index, 'file_name': f'images/{name}', 'width': _SIZE[0], 'height': _SIZE[1]}
        for index, (_, name) in enumerate(_stems())
    ]
    del images[1]['width']
    content = {
        'info': {'year': 2024},
        'images': images,
        'annotations': [
            {'id': 0, 'image_id': 0, 'category_id': 0, 'bbox': [1, 2.5, 8, 9], 'iscrowd': 0},
            {
                'id': 1, 'image_id': 1, 'category_id': 3, 'bbox': [0, 0, 32, 24], 'area': 768,
                'segmentation': [[0, 0, 32, 0, 32, 24]], 'defect_id': 'd1',
            },
        ],
        'categories': [{'id': 0, 'name': 'chip'}, {'id': 3, 'name': 'rust'}],
    }  # fmt: skip
    return {**_images('images/'), 'train.json': json.dumps(content).encode()}


def _yolo(list_name: str, names: bytes) -> dict[str, bytes]:
    return {
        **_images('images/train/'),
        'labels/train/a.txt': b'0 0.5 0.5 0.25 0.5\n1 0.2 0.2 0.1 0.1\n',
        'labels/train/b.txt': b'1 0.1 0.1 0.6 0.1 0.6 0.7\n',
        'labels/train/c.txt': b'',
        list_name: names,
    }


def _labelme() -> dict[str, bytes]:
    shapes = [
        {
            'label': 'rust', 'points': [[1.5, 2], [9, 12]], 'group_id': None, 'flags': {},
            'shape_type': 'rectangle', 'description': '',
        },
        {
            'label': 'chip', 'points': [[1, 2], [9, 3], [4, 8]], 'group_id': 2,
            'flags': {'deep': True}, 'shape_type': 'polygon',
        },
        {'label': 'chip', 'points': [[12, 12], [15, 12]], 'shape_type': 'circle'},
    ]  # fmt: skip
    files = _images('')
    for stem, name in _stems():
        content = {
            'version': '5.4.1', 'flags': {}, 'shapes': shapes if stem != 'c' else [],
            'imagePath': name, 'imageData': None, 'imageHeight': _SIZE[1], 'imageWidth': _SIZE[0],
        }  # fmt: skip
        files[f'{stem}.json'] = json.dumps(content, indent=2).encode()
    return files


def _label_studio() -> dict[str, bytes]:
    def region(kind: str, **value: Any) -> dict[str, Any]:
        return {
            'id': f'{kind}1', 'type': kind, 'from_name': 'label', 'to_name': 'image',
            'original_width': _SIZE[0], 'original_height': _SIZE[1], 'image_rotation': 0,
            'value': {**value, kind: ['rust']},
        }  # fmt: skip

    regions = [
        region('rectanglelabels', x=10, y=20.5, width=30, height=20, rotation=15),
        region('polygonlabels', points=[[1, 2], [50, 60], [20, 80]], closed=True),
        region('ellipselabels', x=50, y=50, radiusX=10, radiusY=20, rotation=0),
    ]
    annotations = [
        {
            'id': 1, 'was_cancelled': False, 'ground_truth': False, 'result': regions,
            'updated_at': '2024-01-02T03:04:05.678901Z', 'created_at': '2024-01-01T00:00:00Z',
        },
        {'id': 2, 'was_cancelled': True, 'result': [], 'updated_at': '2025-01-01T00:00:00Z'},
    ]  # fmt: skip
    tasks = [
        {
            'id': 7 + index,
            'data': {'image': reference, 'part_id': f'p{index}'},
            'annotations': annotations[: 2 - index],
            'predictions': [],
        }
        for index, reference in enumerate(
            (
                '/data/upload/1/0123abcd-a.png',
                '/data/local-files/?d=images/b.jpg',
                's3://bucket/images/c.tif',
            )
        )
    ]
    return {**_images('images/'), 'export.json': json.dumps(tasks).encode()}


def _cvat() -> dict[str, bytes]:
    shapes = (
        '<box label="rust" source="manual" occluded="1" xtl="1.5" ytl="2" xbr="9" ybr="12" '
        'rotation="10.0" z_order="0"><attribute name="depth">3</attribute></box>'
        '<polygon label="chip" occluded="0" points="1,2;9,3;4,8.5" z_order="0"></polygon>'
        '<mask label="chip" rle="3, 4" left="3" top="4" width="5" height="6"/>'
        '<ellipse label="chip" cx="9" cy="9" rx="4" ry="3" rotation="30"/>'
        '<tag label="rust" source="manual"/>'
    )
    images = ''.join(
        f'<image id="{index}" name="{name}" width="{_SIZE[0]}" height="{_SIZE[1]}">'
        f'{shapes if stem != "c" else ""}</image>'
        for index, (stem, name) in enumerate(_stems())
    )
    labels = ''.join(f'<label><name>{name}</name><attributes/></label>' for name in _NAMES)
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task>'
        f'<labels>{labels}</labels></task></meta>{images}</annotations>\n'
    )
    return {**_images('images/'), 'annotations.xml': text.encode()}


def _sku110k() -> dict[str, bytes]:
    rows = [
        f'{name},{x1},{y1},{x2},{y2},{label},{_SIZE[0]},{_SIZE[1]}\n'
        for x1, y1, x2, y2, label in ((1, 2, 9, 12, 'chip'), (30, 20, 3, 4, 'rust'))
        for name in ('a.png', 'b.jpg')
    ]
    return {
        **_images('images/'),
        'annotations_train.csv': ''.join(rows).encode(),
        'annotations_val.csv': f'c.tif,0,0,40,24,chip,{_SIZE[0]},{_SIZE[1]}\n'.encode(),
    }


def _severstal() -> dict[str, bytes]:
    return {
        **_images('train_images/'),
        'train.csv': (
            b'ImageId,ClassId,EncodedPixels\na.png,1,26 9 50 9\na.png,4,300 40\nb.jpg,2,\n'
        ),
        'val.csv': b'ImageId_ClassId,EncodedPixels\nc.tif_3,1 24 25 24\nc.tif_4,\n',
        'val_images/c.tif': _picture('TIFF'),
    }


def _masks() -> dict[str, bytes]:
    files = _images('images/')
    for index, (stem, _) in enumerate(_stems()):
        mask = np.zeros(_SIZE[::-1], np.uint8)
        mask[4:12, 5 : 5 + 9 * (index < 2)] = 255
        buffer = io.BytesIO()
        Image.fromarray(mask).save(buffer, 'PNG')
        files[f'masks/{stem}.png'] = buffer.getvalue()
    return files


def _deeppcb() -> dict[str, bytes]:
    picture = _picture('JPEG')
    files = {f'1/{stem}_{kind}.jpg': picture for stem in '12' for kind in ('test', 'temp')}
    files['1_not/1.txt'] = b'1 2 9 12 1\n3 4 20 20 6\n'
    files['1_not/2.txt'] = b'5,6,20,20,3\n'
    return files
