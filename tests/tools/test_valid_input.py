"""Input that is unusual but valid must train and be tested."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import mmdefect  # noqa: F401
from mmdefect.engine.launch import test as run_test
from mmdefect.engine.launch import train as run_train


@pytest.fixture
def data(tmp_path):
    """Six 48x64 (w, h) images of six kinds; ids from 0, no area, no licenses, no info."""
    folder = tmp_path / 'data'
    folder.mkdir()
    grey = np.full((64, 48), 90, np.uint8)
    grey[10:30, 8:32] = 230
    colour = np.stack([grey] * 3, axis=2)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(colour).save(folder / 'plain.png')
    # Stored lying on its side; the tag turns it upright.
    Image.fromarray(np.rot90(colour).copy()).save(folder / 'turned.jpg', exif=turned, quality=95)
    Image.fromarray(np.dstack([colour, grey])).save(folder / 'alpha.png')
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / 'deep.png')
    Image.fromarray(grey).save(folder / 'grey.tiff')
    Image.fromarray(np.full((64, 48, 3), 90, np.uint8)).save(folder / 'clean.png')
    names = ['plain.png', 'turned.jpg', 'alpha.png', 'deep.png', 'grey.tiff', 'clean.png']
    content = {
        'images': [
            {'id': index, 'file_name': name, 'width': 48, 'height': 64}
            for index, name in enumerate(names)
        ],
        'annotations': [
            {'id': index, 'image_id': index, 'category_id': index % 2, 'bbox': [8, 10, 24, 20]}
            for index in range(5)
        ],
        'categories': [{'id': 0, 'name': 'chip'}, {'id': 1, 'name': 'rust'}],
    }
    for split in ('train', 'val'):
        (folder / f'{split}.json').write_text(json.dumps(content))
    return folder


def test_trains_and_tests(data, tmp_path, make_config):
    config = make_config(tmp_path, data=data)
    work_dir = tmp_path / 'work'
    run_train([str(config), '--work-dir', str(work_dir)])
    run_test([str(config), str(work_dir / 'epoch_1.pth'), '--work-dir', str(tmp_path / 'test')])
    record = json.loads((tmp_path / 'test' / 'evaluation.json').read_text())
    assert (record['images_total'], record['score_table']['images_good']) == (6, 1)
    assert [entry['boxes'] for entry in record['per_class']] == [3, 2]
    assert {(image['width'], image['height']) for image in record['images']} == {(48, 64)}
    assert all(value is not None for value in record['metrics'].values())
