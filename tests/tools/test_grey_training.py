"""A grey 12-bit camera from the files to the report, through the code of the tools."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.images import read_image
from mmdefect.engine import launch
from mmdefect.errors import InputError
from mmdefect.report import write_report

GREY = """
load = [dict(type='mmdefect.LoadImage', bit_depth={bit_depth}, channels=1)]
train_dataloader['dataset']['pipeline'] = load + boxes + resize + [
    dict(type='RandomFlip', prob=0.5)] + pack
val_dataloader['dataset']['pipeline'] = load + resize + boxes + pack
test_dataloader = val_dataloader
model['data_preprocessor'] = dict(mean=[117.], std=[57.], bgr_to_rgb=False)
model['backbone']['in_channels'] = 1
train_cfg = dict(max_epochs={epochs}, val_interval={epochs})
optim_wrapper = dict(optimizer=dict(lr=2e-3))
"""


@pytest.fixture(scope='module')
def deep(tmp_path_factory, write_coco):
    """``tiny_coco`` as a 12-bit camera would have seen it: bright rectangles on grey."""
    folder = tmp_path_factory.mktemp('deep')
    write_coco(folder)
    generator = np.random.default_rng(0)
    for path in sorted((folder / 'images').glob('*.png')):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float64)
        levels = np.clip(grey * 16 + generator.integers(-8, 9, grey.shape), 0, 4095)
        cv2.imwrite(str(path), levels.astype(np.uint16))
    return folder


@pytest.fixture(scope='module')
def config(deep, make_config, tmp_path_factory):
    def make(bit_depth=12, epochs=1):
        folder = tmp_path_factory.mktemp('config')
        return make_config(folder, data=deep, extra=GREY.format(bit_depth=bit_depth, epochs=epochs))

    return make


def test_a_wrong_bit_depth_stops_in_one_line(config, tmp_path):
    with pytest.raises(InputError) as error:
        launch.train([str(config(bit_depth=10)), '--work-dir', str(tmp_path)])
    text = str(error.value).strip().splitlines()[-1]
    assert re.search(
        r'\.png: pixel value \d+ is above the stated bit_depth=10 .*bit_depth=12', text
    )


def test_inferencer_sees_what_the_evaluation_saw(config, deep, tmp_path):
    from mmdet.apis import DetInferencer

    path = config()
    launch.train([str(path), '--work-dir', str(tmp_path)])
    record = json.loads((tmp_path / 'evaluation.json').read_text())
    inferencer = DetInferencer(
        str(path), str(tmp_path / 'epoch_1.pth'), device='cpu', show_progress=False
    )
    image = deep / 'images' / '003.png'
    found = inferencer(str(image), no_save_vis=True)['predictions'][0]
    (seen,) = (item for item in record['images'] if Path(item['path']).name == '003.png')
    best = max(seen['detections'], key=lambda row: row[5])
    assert found['scores'][0] == pytest.approx(best[5], abs=1e-3)
    np.testing.assert_allclose(found['bboxes'][0], best[:4], atol=0.02)


@pytest.mark.slow
def test_loss_falls_and_the_report_shows_the_images(config, deep, tmp_path):
    launch.train([str(config(epochs=25)), '--work-dir', str(tmp_path)])
    (scalars,) = tmp_path.rglob('scalars.json')
    losses = [
        row['loss'] for row in map(json.loads, scalars.read_text().splitlines()) if 'loss' in row
    ]
    assert len(losses) == 100
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    record = json.loads((tmp_path / 'evaluation.json').read_text())
    assert record['metrics']['AP50'] > 0.3
    page = write_report(tmp_path).read_text(encoding='utf-8')
    pictures = re.findall(r'data:image/(?:jpeg|webp);base64,([A-Za-z0-9+/=]+)', page)
    assert len(pictures) >= 8
    shown = [
        cv2.imdecode(np.frombuffer(base64.b64decode(code), np.uint8), cv2.IMREAD_GRAYSCALE)
        for code in pictures
    ]
    expected = np.mean([read_image(path, 12, 1).mean() for path in (deep / 'images').iterdir()])
    assert np.mean([picture.mean() for picture in shown]) == pytest.approx(expected, rel=0.3)
