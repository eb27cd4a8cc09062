import os
import shutil

import numpy as np
import pytest
import torch

from mmdefect.engine.predict import find_run, load_model
from mmdefect.errors import InputError


@pytest.fixture
def model(tiny_trained):
    return load_model(*find_run(tiny_trained.work_dir))


def test_run_of_a_work_dir(tmp_path):
    (tmp_path / 'c.py').touch()
    for age, name in enumerate(('best_AP_epoch_3.pth', 'best_AP_epoch_2.pth', 'epoch_9.pth')):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 + age,) * 2)
    assert find_run(tmp_path) == (tmp_path / 'c.py', tmp_path / 'best_AP_epoch_2.pth')
    assert find_run(tmp_path / 'epoch_9.pth') == (tmp_path / 'c.py', tmp_path / 'epoch_9.pth')
    for path in tmp_path.glob('best*'):
        path.unlink()
    assert find_run(tmp_path)[1].name == 'epoch_9.pth'


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ((), r'no checkpoint \(\*.pth\)'),
        (('a.pth',), 'must hold one config dump .* found none'),
        (('a.pth', 'b.py', 'c.py'), 'found b.py, c.py'),
    ],
)
def test_work_dir_that_is_none(tmp_path, files, message):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=message):
        find_run(tmp_path)


def test_same_as_mmdetection(model, tiny_trained, tiny_coco):
    from mmdet.apis import inference_detector, init_detector

    paths = sorted((tiny_coco / 'images').glob('*.png'))[:3]
    found = list(model.predict(paths))
    assert model.classes == ('chip', 'rust') and len(found) == 3
    theirs = init_detector(str(tiny_trained.config), str(tiny_trained.checkpoint), device='cpu')
    for path, mine in zip(paths, found, strict=True):
        want = inference_detector(theirs, str(path)).pred_instances
        assert len(mine) == len(want)
        np.testing.assert_allclose(mine.scores, want.scores, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(mine.boxes, want.bboxes, rtol=1e-3, atol=1e-2)
        assert mine.boxes.dtype == np.float32 and (np.diff(mine.scores) <= 0).all()


def test_no_images(model):
    assert list(model.predict([])) == []


def test_image_that_is_none(model, tmp_path):
    (tmp_path / 'a.png').write_bytes(b'none')
    with pytest.raises(InputError, match='a.png: image cannot be decoded'):
        list(model.predict([tmp_path / 'a.png']))


def test_checkpoint_of_another_model(tiny_trained, tmp_path):
    config, checkpoint = find_run(tiny_trained.work_dir)
    content = torch.load(checkpoint, weights_only=False)
    content['state_dict'].popitem()
    shutil.copy(config, tmp_path / 'c.py')
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(InputError, match='a.pth: checkpoint of another model, 1 of'):
        load_model(*find_run(tmp_path))


def test_checkpoint_with_code_is_refused(tiny_trained, tmp_path):
    config, _ = find_run(tiny_trained.work_dir)
    torch.save({'state_dict': {}, 'meta': os.system}, tmp_path / 'a.pth')
    with pytest.raises(InputError, match='refused'):
        load_model(config, tmp_path / 'a.pth')
