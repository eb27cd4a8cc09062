"""A training that MLflow and Weights & Biases follow, and one that nobody is logged in for."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOTH = """
visualizer = dict(vis_backends=_base_.vis_backends + [
    dict(type='mmdefect.MLflowVisBackend'), dict(type='mmdefect.WandbVisBackend')])
"""
WANDB = BOTH.replace("dict(type='mmdefect.MLflowVisBackend'), ", '')
QUIET = {
    'MLFLOW_DISABLE_TELEMETRY': 'true', 'WANDB_MODE': 'offline', 'WANDB_API_KEY': '',
    'WANDB_ERROR_REPORTING': 'false', 'PYTHONWARNINGS': 'ignore',
}  # fmt: skip


def wandb_records(path):
    """Records of a run file: LevelDB's log format, each one a protocol buffer."""
    from wandb.proto import wandb_internal_pb2

    content, at, whole = path.read_bytes(), 7, b''
    while at + 7 <= len(content):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        length, kind = struct.unpack('<4xHB', content[at : at + 7])
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        # 1: whole record, 4: last piece of one.
        if kind in (1, 4):
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b''


@pytest.mark.slow
def test_both_follow_a_training(run_python, tmp_path, make_config):
    mlflow, _ = pytest.importorskip('mlflow'), pytest.importorskip('wandb')
    config = make_config(tmp_path, extra=BOTH)
    done = run_python(
        ROOT / 'tools' / 'train.py', config, '--work-dir', 'work', cwd=tmp_path,
        MLFLOW_TRACKING_URI='', HOME=str(tmp_path), **QUIET,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # No terminal, no bar.
    assert '\x1b' not in done.stdout and 'img/s' not in done.stdout

    database = tmp_path / 'work_dirs' / 'mlflow.db'
    client = mlflow.MlflowClient(f'sqlite:///{database.as_posix()}')
    experiment = client.get_experiment_by_name('mmdefect')
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ('work', 'FINISHED')
    losses = client.get_metric_history(run.info.run_id, 'train/loss')
    assert [point.step for point in losses] == [1, 2, 3, 4]
    (ap50,) = client.get_metric_history(run.info.run_id, 'mmdefect/AP50/chip')
    evaluation = json.loads((tmp_path / 'work' / 'evaluation.json').read_text())
    assert ap50.step == 4 and ap50.value == pytest.approx(evaluation['per_class'][0]['AP50'])
    assert run.data.params['model.bbox_head.num_classes'] == '2'
    assert run.data.params['train_cfg.max_epochs'] == '1'
    # MLflow closes log files; ours goes on.
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert 'Epoch(train) [1][4/4]' in log.read_text(encoding='utf-8')

    (path,) = (tmp_path / 'work').rglob('*.wandb')
    records = list(wandb_records(path))
    (start,) = (record.run for record in records if record.HasField('run'))
    assert (start.project, start.display_name) == ('mmdefect', 'work')
    lines = [
        {item.key or '/'.join(item.nested_key): json.loads(item.value_json) for item in line.item}
        for line in (record.history for record in records if record.HasField('history'))
    ]
    assert [line['iteration'] for line in lines] == [1, 2, 3, 4, 4]
    assert lines[3]['train/loss'] == pytest.approx(losses[3].value)
    assert lines[4]['mmdefect/AP50/chip'] == pytest.approx(ap50.value)
    keys = {item.key for record in records for item in record.config.update}
    assert {'model', 'optim_wrapper', 'train_cfg'} <= keys
    assert any(r.metric.glob_name == '*' and r.metric.step_metric for r in records)
    assert records[-1].HasField('exit') and records[-1].exit.exit_code == 0
    # The sources are not sent.
    assert not any('artifact' in (record.WhichOneof('record_type') or '') for record in records)


@pytest.mark.slow
def test_nobody_is_logged_in(run_python, tmp_path, make_config):
    pytest.importorskip('wandb')
    config = make_config(tmp_path, extra=WANDB)
    environment = {**QUIET, 'WANDB_MODE': 'online', 'HOME': str(tmp_path)}
    done = run_python('tools/train.py', config, '--work-dir', tmp_path / 'work', **environment)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith('mmdefect: vis_backends: W&B: nobody is logged')
    # Before the model was built.
    assert 'RetinaNet' not in done.stderr and 'Hooks will be executed' not in done.stdout
