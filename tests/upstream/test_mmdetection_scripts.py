"""MMDetection's own installed scripts and inferencer with our configs, on either stack."""

from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import mmdefect  # noqa: F401  lets MMDetection's models be imported
from mmdefect.decision import ResultsFile, TrainingManifest
from mmdefect.structures import EVALUATION_MIN_SCORE


@pytest.fixture(scope='module')
def scripts():
    spec = importlib.util.find_spec('mmdet')
    folder = Path(spec.origin).parent / '.mim' / 'tools'
    if not folder.is_dir():
        pytest.skip('this MMDetection was installed without its tools')
    return folder


@pytest.fixture(scope='module')
def predictions(scripts, run_python, tiny_trained, tmp_path_factory):
    """Folder that MMDetection's tools/test.py wrote to, with predictions.pkl."""
    folder = tmp_path_factory.mktemp('upstream_test')
    done = run_python(
        '-m', 'mmdefect.compat', scripts / 'test.py', tiny_trained.config,
        tiny_trained.checkpoint,
        '--work-dir', folder, '--out', folder / 'predictions.pkl', cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_train(scripts, run_python, tiny_config, tmp_path):
    work_dir = tmp_path / 'work'
    done = run_python(
        scripts / 'train.py', tiny_config, '--work-dir', work_dir,
        '--cfg-options', 'train_cfg.max_epochs=1', cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (work_dir / 'epoch_1.pth').is_file()
    record = json.loads((work_dir / 'evaluation.json').read_text())
    assert (record['epoch'], record['images_total']) == (1, 8)
    assert len(TrainingManifest.beside(work_dir / 'epoch_1.pth').images) == 8


@pytest.mark.slow
def test_test(predictions, tiny_trained):
    results = pickle.loads((predictions / 'predictions.pkl').read_bytes())
    assert len(results) == 8
    assert {Path(result['img_path']).name for result in results} == {
        f'{index:03d}.png' for index in range(8)
    }
    upstream = json.loads((predictions / 'evaluation.json').read_text())
    ours = json.loads((tiny_trained.work_dir / 'evaluation.json').read_text())
    assert upstream['checkpoint'] == 'epoch_1.pth'
    assert upstream['metrics'] == pytest.approx(ours['metrics'])


@pytest.mark.slow
def test_a_results_file(scripts, run_python, make_config, tiny_trained, tmp_path):
    hook = "dict(type='mmdefect.ResultsFileHook', out='r.jsonl')"
    config = make_config(tmp_path, extra=f'custom_hooks = _base_.custom_hooks + [{hook}]')
    done = run_python(
        '-m', 'mmdefect.compat', scripts / 'test.py', config, tiny_trained.checkpoint,
        '--work-dir', tmp_path / 'work', cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(ResultsFile(tmp_path / 'r.jsonl'))) == 8


@pytest.mark.slow
def test_browse_dataset(scripts, run_python, tiny_config, tmp_path):
    done = run_python(
        '-m', 'mmdefect.compat', scripts / 'analysis_tools/browse_dataset.py', tiny_config,
        '--output-dir', tmp_path / 'drawn', '--not-show', cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Clean images are drawn too.
    assert len(list((tmp_path / 'drawn').rglob('*.png'))) == 8


@pytest.mark.slow
def test_confusion_matrix(scripts, run_python, tiny_config, predictions, tmp_path):
    done = run_python(
        '-m', 'mmdefect.compat', scripts / 'analysis_tools/confusion_matrix.py', tiny_config,
        predictions / 'predictions.pkl', tmp_path / 'matrix', cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (picture,) = (tmp_path / 'matrix').glob('*.png')
    assert picture.stat().st_size > 5000


@pytest.mark.slow
def test_analyze_results(scripts, run_python, tiny_config, predictions, tmp_path):
    done = run_python(
        '-m', 'mmdefect.compat', scripts / 'analysis_tools/analyze_results.py', tiny_config,
        predictions / 'predictions.pkl', tmp_path / 'shown', '--topk', '2', cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'shown' / 'good').iterdir())) == 2
    assert len(list((tmp_path / 'shown' / 'bad').iterdir())) == 2


def test_inferencer(tiny_trained):
    from mmdet.apis import DetInferencer

    record = json.loads((tiny_trained.work_dir / 'evaluation.json').read_text())
    inferencer = DetInferencer(
        str(tiny_trained.config), str(tiny_trained.checkpoint), device='cpu', show_progress=False
    )
    image = tiny_trained.data / 'images' / '003.png'
    found = inferencer(str(image), no_save_vis=True)['predictions'][0]
    (expected,) = (item for item in record['images'] if Path(item['path']).name == '003.png')
    kept = np.array(found['scores']) >= EVALUATION_MIN_SCORE
    # The same boxes that the evaluation saw.
    assert len(found['bboxes']) > 0
    np.testing.assert_allclose(
        np.array(found['bboxes']).reshape(-1, 4)[kept],
        np.array([row[:4] for row in expected['detections']]).reshape(-1, 4),
        atol=1e-2,
    )
