"""Runs in an MLflow database, read back with MLflow's client."""

from __future__ import annotations

import importlib.util
import os
import signal

import numpy as np
import pytest
from mmengine.config import Config

from mmdefect.engine.tracking import mlflow_backend
from mmdefect.engine.tracking.mlflow_backend import MLflowVisBackend
from mmdefect.errors import InputError

SCRIPT = """
import os, signal, sys
from mmengine.config import Config
import mmdefect
from mmdefect.engine.tracking import MLflowVisBackend

work_dir, resume, end = sys.argv[1:]
backend = MLflowVisBackend(work_dir + '/20260101_000000/vis_data')
lr = 0.2 if resume == 'True' else 0.1
backend.add_config(Config(dict(work_dir=work_dir, resume=resume == 'True', randomness=dict(lr=lr))))
backend.add_scalars({'loss': 1.0, 'iter': 1}, 2 if resume == 'True' else 1)
if end == 'kill':
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope='module')
def store(tmp_path_factory):
    """A database of its own, made once: MLflow needs seconds for that."""
    pytest.importorskip('mlflow')
    path = tmp_path_factory.mktemp('mlflow') / 'runs.db'
    return f'sqlite:///{path.as_posix()}'


@pytest.fixture
def client(store, monkeypatch, tmp_path):
    import mlflow

    monkeypatch.setenv('MLFLOW_TRACKING_URI', store)
    monkeypatch.setenv('MLFLOW_DISABLE_TELEMETRY', 'true')
    monkeypatch.setenv('MLFLOW_EXPERIMENT_NAME', tmp_path.name)
    monkeypatch.chdir(tmp_path)
    return mlflow.MlflowClient(store)


def runs(client, tmp_path):
    experiment = client.get_experiment_by_name(tmp_path.name)
    return client.search_runs([experiment.experiment_id])


def points(client, run, name):
    history = client.get_metric_history(run.info.run_id, name)
    return [(point.step, point.value) for point in history]


@pytest.mark.slow
def test_a_run(client, store, tmp_path):
    log_dir = tmp_path / 'drill' / '20260101_000000'
    log_dir.mkdir(parents=True)
    (log_dir / 'a.log').write_text('line')
    (log_dir / 'a.pth').write_text('not copied')
    (tmp_path / 'drill' / 'evaluation.json').write_text('not copied')
    backend = MLflowVisBackend(str(log_dir / 'vis_data'), params={'line': 'north'})
    config = Config(
        {
            'work_dir': str(tmp_path / 'drill'), 'randomness': {'seed': 3, 'note': 'x' * 9000},
            'model': {'head': [{'type': 'A'}], 'keys': {'a*b': 1}}, 'log_level': 'INFO',
        }
    )  # fmt: skip
    backend.add_config(config)
    backend.add_scalars({'loss': 2.0, 'time': 0.5, 'iter': 1}, 1)
    backend.add_scalars({'mmdefect/AP50/Kratzer (tief), ä': 0.5, 'mmdefect/AP': float('nan')}, 1)
    backend.add_image('val_img', np.zeros((4, 4, 3), np.uint8), 7)
    backend.close()
    backend.close()

    (run,) = runs(client, tmp_path)
    assert (run.info.run_name, run.info.status) == ('drill', 'FINISHED')
    # Beside the database, and nothing in the current folder.
    assert run.info.artifact_uri.startswith(f'file://{store[10:].removesuffix(".db")}/')
    assert not (tmp_path / 'mlruns').exists()
    assert points(client, run, 'train/loss') == [(1, 2.0)]
    assert points(client, run, 'mmdefect/AP50/Kratzer _tief__ _') == [(0, 0.5)]
    assert np.isnan(run.data.metrics['mmdefect/AP'])
    params = run.data.params
    assert (params['randomness.seed'], params['line']) == ('3', 'north')
    assert (params['model.head.0.type'], params['model.keys.a_b']) == ('A', '1')
    assert len(params['randomness.note']) == 500 and 'log_level' not in params
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {'20260101_000000', 'config.py', 'images'}
    (copied,) = client.list_artifacts(run.info.run_id, '20260101_000000')
    assert copied.path == '20260101_000000/a.log'


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='SIGKILL is POSIX only')
def test_a_killed_run_goes_on_and_what_ends_early_is_failed(client, tmp_path, run_python):
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    work_dir = tmp_path / "it's"
    killed = run_python(script, work_dir, False, 'kill', cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    (left,) = runs(client, tmp_path)
    assert left.info.status == 'RUNNING'
    # A test, or a training without --resume, is a run of its own.
    backend = MLflowVisBackend(str(work_dir / '20260102_000000' / 'vis_data'))
    backend.add_config(Config({'work_dir': str(work_dir)}))
    backend.add_scalars({'test/mmdefect/AP50': 0.5})
    backend.close()
    assert len(runs(client, tmp_path)) == 2

    assert run_python(script, work_dir, True, 'early', cwd=tmp_path).returncode == 0
    (tested, resumed) = runs(client, tmp_path)
    assert (resumed.info.run_id, resumed.info.status) == (left.info.run_id, 'FAILED')
    assert points(client, resumed, 'train/loss') == [(1, 1.0), (2, 1.0)]
    assert points(client, tested, 'test/mmdefect/AP50') == [(0, 0.5)]
    # A parameter cannot change within a run.
    assert resumed.data.params['randomness.lr'] == '0.1'


@pytest.mark.slow
@pytest.mark.parametrize(
    ('uri', 'message'),
    [
        ('http://127.0.0.1:9', 'MLflow at http://127.0.0.1:9: .*; correct tracking_uri or'),
        ('files', 'MLflow at files: The filesystem tracking backend'),
        ('sqlite:///file/a.db', 'the file cannot be written'),
    ],
)
def test_a_store_that_cannot_be_opened_is_one_line(client, tmp_path, monkeypatch, uri, message):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '0')
    backend = MLflowVisBackend(str(tmp_path), tracking_uri=uri)
    with pytest.raises(InputError, match=message) as caught:
        backend.add_config(Config())
    assert len(str(caught.value)) < 400 and '\n' not in str(caught.value)


@pytest.mark.slow
def test_a_store_that_goes_away_stops_no_training(client, tmp_path, monkeypatch):
    import mlflow

    backend = MLflowVisBackend(str(tmp_path / 'log' / 'vis_data'))
    backend.add_config(Config({'work_dir': str(tmp_path)}))

    def fails(*arguments):
        raise mlflow.MlflowException('gone\nfor good')

    told = []
    monkeypatch.setattr(mlflow_backend, 'print_log', lambda text, **_: told.append(text))
    monkeypatch.setattr(mlflow, 'log_metrics', fails)
    backend.add_scalars({'loss': 1.0, 'iter': 1}, 1)
    assert told == ['MLflow: not recorded: gone']
    backend.close()
    assert runs(client, tmp_path)[0].info.status == 'FINISHED'


@pytest.mark.parametrize('absent', ['mlflow', 'sqlalchemy', 'alembic'])
def test_without_a_package(tmp_path, monkeypatch, absent):
    def find(name):
        return None if name == absent else name

    monkeypatch.setattr(importlib.util, 'find_spec', find)
    backend = MLflowVisBackend(str(tmp_path), tracking_uri='sqlite:///a.db')
    with pytest.raises(InputError, match=rf"package {absent}; pip install 'mmdefect\[tracking\]'"):
        backend.add_scalars({'loss': 1.0})
