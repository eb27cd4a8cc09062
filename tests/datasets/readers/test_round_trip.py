"""Records written in each format and read again are the same records."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmdefect.datasets import write_severstal
from mmdefect.datasets.readers import DeepPCBReader, detect_format, open_reader

NAMES = ('rust', 'rolled-in scale', 'Riß & <b>', '鏽')
PCB_NAMES = DeepPCBReader('.').classes


@dataclass(frozen=True)
class Picture:
    """One image: its size, its boxes ``xyxy`` and the indices of their classes."""

    stem: str
    size: tuple[int, int]
    boxes: list[tuple[float, float, float, float]]
    labels: list[int]


def write_voc(root: Path, pictures: list[Picture]) -> None:
    for picture in pictures:
        objects = ''.join(
            f'<object><name>{escape(NAMES[label])}</name><bndbox><xmin>{x1 + 1!r}</xmin>'
            f'<ymin>{y1 + 1!r}</ymin><xmax>{x2!r}</xmax><ymax>{y2!r}</ymax></bndbox></object>'
            for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
        )
        text = f'<annotation><filename>{picture.stem}.png</filename>{objects}</annotation>'
        (root / f'{picture.stem}.xml').write_text(text, encoding='utf-8')


def write_coco(root: Path, pictures: list[Picture]) -> None:
    content = {
        'images': [
            {'id': index, 'file_name': f'{picture.stem}.png'}
            for index, picture in enumerate(pictures)
        ],
        'annotations': [
            {'image_id': index, 'category_id': label, 'bbox': [x1, y1, x2 - x1, y2 - y1]}
            for index, picture in enumerate(pictures)
            for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
        ],
        'categories': [{'id': index, 'name': name} for index, name in enumerate(NAMES)],
    }
    (root / 'a.json').write_text(json.dumps(content))


def write_yolo(root: Path, pictures: list[Picture]) -> None:
    (root / 'classes.txt').write_text('\n'.join(NAMES), encoding='utf-8')
    for picture in pictures:
        w, h = picture.size
        rows = (
            f'{label} {(x1 + x2) / 2 / w:.6f} {(y1 + y2) / 2 / h:.6f} {(x2 - x1) / w:.6f} '
            f'{(y2 - y1) / h:.6f}\n'
            for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
        )
        (root / f'{picture.stem}.txt').write_text(''.join(rows))


def write_labelme(root: Path, pictures: list[Picture]) -> None:
    for picture in pictures:
        shapes = [
            {'label': NAMES[label], 'shape_type': 'rectangle', 'points': [[x1, y1], [x2, y2]]}
            for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
        ]
        content = {'imagePath': f'{picture.stem}.png', 'imageData': None, 'shapes': shapes}
        (root / f'{picture.stem}.json').write_text(json.dumps(content))


def write_label_studio(root: Path, pictures: list[Picture]) -> None:
    tasks = []
    for index, picture in enumerate(pictures, start=1):
        w, h = picture.size
        regions = [
            {
                'type': 'rectanglelabels', 'from_name': 'label', 'to_name': 'image',
                'original_width': w, 'original_height': h,
                'value': {
                    'x': x1 / w * 100, 'y': y1 / h * 100, 'width': (x2 - x1) / w * 100,
                    'height': (y2 - y1) / h * 100, 'rotation': 0,
                    'rectanglelabels': [NAMES[label]],
                },
            }
            for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
        ]  # fmt: skip
        tasks.append(
            {
                'id': index,
                'data': {'image': f'{picture.stem}.png'},
                'annotations': [{'id': index, 'result': regions}],
            }
        )
    (root / 'export.json').write_text(json.dumps(tasks))


def write_cvat(root: Path, pictures: list[Picture]) -> None:
    labels = ''.join(f'<label><name>{escape(name)}</name></label>' for name in NAMES)
    images = ''.join(
        f'<image id="{index}" name="{picture.stem}.png" width="{picture.size[0]}" '
        f'height="{picture.size[1]}">'
        + ''.join(
            f'<box label={quoteattr(NAMES[label])} xtl="{x1!r}" ytl="{y1!r}" xbr="{x2!r}" '
            f'ybr="{y2!r}"/>'
            for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
        )
        + '</image>'
        for index, picture in enumerate(pictures)
    )
    text = f'<annotations><meta><task><labels>{labels}</labels></task></meta>{images}</annotations>'
    (root / 'annotations.xml').write_text(text, encoding='utf-8')


def write_deeppcb(root: Path, pictures: list[Picture]) -> None:
    for picture in pictures:
        (root / f'{picture.stem}.png').rename(root / f'{picture.stem}_test.png')
        Image.new('L', picture.size).save(root / f'{picture.stem}_temp.png')
        rows = (
            f'{" ".join(map(repr, box))} {label + 1}\n'
            for box, label in zip(picture.boxes, picture.labels, strict=True)
        )
        (root / f'{picture.stem}.txt').write_text(''.join(rows))


def write_sku110k(root: Path, pictures: list[Picture]) -> None:
    rows = [
        f'{picture.stem}.png,{x1!r},{y1!r},{x2!r},{y2!r},{NAMES[label]},{picture.size[0]},'
        f'{picture.size[1]}\n'
        for picture in pictures
        for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True)
    ]
    (root / 'annotations_train.csv').write_text(''.join(rows), encoding='utf-8')


def write_runs(root: Path, pictures: list[Picture]) -> None:
    images = []
    for picture in pictures:
        masks = {}
        for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True):
            mask = masks.setdefault(label + 1, np.zeros(picture.size[::-1], bool))
            mask[int(y1) : int(y2), int(x1) : int(x2)] = True
        images.append((f'{picture.stem}.png', masks))
    write_severstal(root / 'train.csv', images, joined=len(pictures) % 2 == 0)


def write_mask(root: Path, pictures: list[Picture]) -> None:
    for picture in pictures:
        mask = np.zeros(picture.size[::-1], np.uint8)
        for (x1, y1, x2, y2), label in zip(picture.boxes, picture.labels, strict=True):
            mask[int(y1) : int(y2), int(x1) : int(x2)] = label + 1
        Image.fromarray(mask).save(root / f'{picture.stem}_mask.png')


@st.composite
def pictures(draw, whole=False, apart=False):
    """One to three images with up to four boxes of at least one pixel inside each.

    ``whole``: corners are whole numbers; ``apart``: boxes stand in columns with a gap.
    """
    found = []
    for index in range(draw(st.integers(1, 3))):
        size = draw(st.tuples(st.integers(16, 90), st.integers(16, 90)))
        boxes = []
        for column in range(draw(st.integers(0, 4))):
            left, right = (column * size[0] // 4 + 1, (column + 1) * size[0] // 4)
            limits = ((left, right) if apart else (0, size[0]), (0, size[1]))
            number = st.integers if whole or apart else st.floats
            corners = []
            for low, high in limits:
                start = draw(number(low, high - 1))
                corners.append((start, draw(number(start + 1, high))))
            (x1, x2), (y1, y2) = corners
            boxes.append((x1, y1, x2, y2))
        labels = [draw(st.integers(0, len(NAMES) - 1)) for _ in boxes]
        found.append(Picture(f'part {index}', size, boxes, labels))
    return found


# How each format is written, and how far corners may be off in pixels.
WRITERS: dict[str, tuple[Callable[[Path, list[Picture]], None], float]] = {
    'voc': (write_voc, 1e-4),
    'coco': (write_coco, 1e-4),
    'yolo': (write_yolo, 2e-4),
    'labelme': (write_labelme, 1e-4),
    'label-studio': (write_label_studio, 1e-4),
    'cvat': (write_cvat, 1e-4),
    'deeppcb': (write_deeppcb, 1e-4),
    'sku110k': (write_sku110k, 1e-4),
    'mask': (write_mask, 0),
    'severstal': (write_runs, 0),
}


OF_MASKS = ('mask', 'severstal')


def check(source_format, written, **options):
    write, tolerance = WRITERS[source_format]
    if source_format == 'sku110k':
        # An image without a box has no row.
        written = [picture for picture in written if picture.boxes]
        if not written:
            return
    names = PCB_NAMES if source_format == 'deeppcb' else NAMES
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for picture in written:
            Image.new('L', picture.size).save(root / f'{picture.stem}.png')
        write(root, written)
        assert detect_format(root) == source_format
        if source_format == 'severstal' and not any(picture.boxes for picture in written):
            # Else a header alone does not say which images it is about.
            options = {**options, 'image_root': root}
        reader = open_reader(root, source_format, **options)
        records = list(reader)
    assert not reader.problems
    assert [record.path.stem.removesuffix('_test') for record in records] == [
        picture.stem for picture in written
    ]
    for record, picture in zip(records, written, strict=True):
        assert (record.width, record.height) == picture.size
        assert record.boxes.dtype == np.float32
        boxes = np.array(picture.boxes, np.float64).reshape(-1, 4)
        labels = [names[label] for label in picture.labels]
        if source_format in OF_MASKS:
            order = sorted(range(len(labels)), key=lambda i: (picture.labels[i], *boxes[i, [1, 0]]))
            boxes, labels = boxes[order], [labels[index] for index in order]
        assert list(record.labels) == labels
        np.testing.assert_allclose(record.boxes, boxes, rtol=0, atol=tolerance)


@pytest.mark.parametrize('source_format', [name for name in WRITERS if name not in OF_MASKS])
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(written=pictures())
def test_boxes_come_back(source_format, written):
    check(source_format, written)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(written=pictures(apart=True))
def test_boxes_come_back_from_masks(written):
    check('mask', written, classes=NAMES, min_area=1)
    size = written[0].size
    of_one_size = [picture for picture in written if picture.size == size]
    check('severstal', of_one_size, classes=NAMES, min_area=1, size=size)


@pytest.mark.parametrize('source_format', WRITERS)
def test_one_pixel_boxes_come_back(source_format):
    size = (16, 20)
    corners = [(0, 0, 1, 1), (15, 19, 16, 20), (7, 9, 8, 10)]
    written = [Picture('a', size, corners, [0, 3, 1]), Picture('b', size, [], [])]
    options = {'classes': NAMES, 'min_area': 1} if source_format in OF_MASKS else {}
    if source_format == 'severstal':
        options['size'] = size
    check(source_format, written, **options)
