"""Fixtures that several folders share: tiny data, tiny configs, one trained tiny detector."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# On a busy machine any example can take long.
settings.register_profile('no deadline', deadline=None)
settings.load_profile('no deadline')
ROOT = Path(__file__).resolve().parents[1]
CLASSES = ('chip', 'rust')
_NUMBER = itertools.count()

_CONFIG = """
_base_ = ['{base}']
data = '{data}'
classes = {classes}
load = [dict(type='mmdefect.LoadImage')]
boxes = [dict(type='LoadAnnotations', with_bbox=True)]
resize = [dict(type='Resize', scale=(64, 64), keep_ratio=True)]
pack = [dict(type='mmdefect.PackInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(
        reader=dict(ann_file=data + '/train.json'), metainfo=dict(classes=classes),
        pipeline=load + boxes + resize + [dict(type='RandomFlip', prob=0.5)] + pack))
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(
        reader=dict(ann_file=data + '/val.json'), metainfo=dict(classes=classes),
        pipeline=load + resize + boxes + pack))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, val_interval=1)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=True, convert_to_iter_based=True)]
default_hooks = dict(logger=dict(interval=1))
"""
_MODELS = {
    'retinanet': (
        'retinanet/retinanet_r18_fpn_drill.py',
        """
model = dict(
    backbone=dict(base_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    bbox_head=dict(
        num_classes=len(classes), in_channels=16, feat_channels=16, stacked_convs=1))
""",
    ),
    'rtmdet': (
        'rtmdet/rtmdet_tiny_drill.py',
        """
model = dict(
    backbone=dict(widen_factor=0.125),
    neck=dict(in_channels=[32, 64, 128], out_channels=16),
    bbox_head=dict(
        num_classes=len(classes), in_channels=16, feat_channels=16, stacked_convs=1))
""",
    ),
    'faster_rcnn_focal': (
        'faster_rcnn/faster_rcnn_r18_fpn_focal_drill.py',
        """
model = dict(
    backbone=dict(base_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    rpn_head=dict(in_channels=16, feat_channels=16, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16),
        bbox_head=dict(num_classes=len(classes), in_channels=16, fc_out_channels=32)))
""",
    ),
}

# A process of `run_tool`.
_TOOL = """
import os, runpy, sys
os.chdir(cwd)
os.environ.clear()
os.environ.update(environment)
sys.path[:0] = filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))
for number, path in ((1, out), (2, err)):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
sys.argv = arguments
runpy.run_path(arguments[0], run_name='__main__')
"""


@dataclass(frozen=True)
class Trained:
    """A tiny detector after one epoch."""

    config: Path
    work_dir: Path
    checkpoint: Path
    data: Path


def _write_coco(folder: Path) -> dict:
    """Eight 64x64 images, two of them clean, with rectangles; ids start at 0."""
    generator = np.random.default_rng(0)
    (folder / 'images').mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index in range(8):
        pixels = generator.integers(90, 120, (64, 64, 3), np.uint8)
        for category in range(2) if index not in (2, 5) else ():
            w, h = (int(value) for value in generator.integers(12, 26, 2))
            x, y = int(generator.integers(0, 64 - w)), int(generator.integers(0, 64 - h))
            pixels[y : y + h, x : x + w] = ((220, 30, 30), (30, 60, 220))[category]
            annotations.append(
                {
                    'id': len(annotations), 'image_id': index, 'category_id': category,
                    'bbox': [x, y, w, h],
                }
            )  # fmt: skip
        name = f'images/{index:03d}.png'
        Image.fromarray(pixels).save(folder / name)
        images.append({'id': index, 'file_name': name, 'width': 64, 'height': 64})
    content = {
        'images': images,
        'annotations': annotations,
        'categories': [{'id': index, 'name': name} for index, name in enumerate(CLASSES)],
    }
    for split in ('train', 'val'):
        (folder / f'{split}.json').write_text(json.dumps(content))
    return content


@pytest.fixture(autouse=True)
def _own_globals():
    """Forget MMEngine's global loggers, scopes and visualisers after each test.

    They are found by name and second, and would write into the folder of an earlier test.
    """
    yield
    if 'mmengine.utils.manager' not in sys.modules:
        return
    from mmengine.utils import ManagerMixin

    kinds = [ManagerMixin]
    while kinds:
        kind = kinds.pop()
        kinds.extend(kind.__subclasses__())
        getattr(kind, '_instance_dict', {}).clear()


@pytest.fixture(scope='session', autouse=True)
def _each_config_is_formatted_once():
    """A runner formats its config for the log, its copy, TensorBoard and every checkpoint."""
    from yapf.yapflib import yapf_api

    format_code, known = yapf_api.FormatCode, {}

    def once(text, **options):
        key = text, repr(options)
        if key not in known:
            known[key] = format_code(text, **options)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yapf_api, 'FormatCode', once)
        yield


@pytest.fixture(scope='session')
def write_coco() -> Callable[[Path], dict]:
    """``write_coco(folder)``: write the tiny data set, return the content of its JSON."""
    return _write_coco


@pytest.fixture(scope='session')
def tiny_coco(tmp_path_factory) -> Path:
    """Folder of a tiny COCO data set with train.json and val.json. Do not change its files."""
    folder = tmp_path_factory.mktemp('tiny_coco')
    _write_coco(folder)
    return folder


@pytest.fixture(scope='session')
def make_config(tiny_coco) -> Callable[..., Path]:
    """``make_config(folder, kind='retinanet', data=..., classes=..., extra='')`` -> config file.

    ``extra`` is Python text appended to the config. Each file has its own name, because
    MMEngine's loggers are global and named after it.
    """

    def make(
        folder: Path,
        kind: str = 'retinanet',
        data: Path = tiny_coco,
        classes: tuple[str, ...] = CLASSES,
        extra: str = '',
    ) -> Path:
        base, model = _MODELS[kind]
        text = _CONFIG.format(
            base=(ROOT / 'configs' / base).as_posix(), data=data.as_posix(), classes=classes
        )
        path = folder / f'tiny_{kind}_{next(_NUMBER)}.py'
        path.write_text(f'{text}{model}{extra}\n')
        return path

    return make


@pytest.fixture(scope='session')
def tiny_config(tmp_path_factory, make_config) -> Path:
    """A RetinaNet that trains one epoch of four steps on ``tiny_coco``."""
    return make_config(tmp_path_factory.mktemp('tiny_config'))


@pytest.fixture(scope='session')
def tiny_trained(tmp_path_factory, tiny_config, tiny_coco) -> Trained:
    """The RetinaNet of ``tiny_config`` after one epoch, trained in this process."""
    import mmdefect  # noqa: F401
    from mmdefect.engine.launch import train

    work_dir = tmp_path_factory.mktemp('tiny_trained')
    train([str(tiny_config), '--work-dir', str(work_dir)])
    return Trained(tiny_config, work_dir, work_dir / 'epoch_1.pth', tiny_coco)


@pytest.fixture(scope='session')
def run_python() -> Callable[..., subprocess.CompletedProcess]:
    """``run_python(*arguments, cwd=ROOT, timeout=300)``: a Python process with one thread."""

    def run(*arguments, cwd: Path = ROOT, timeout: float = 300, **environment: str):
        variables = {
            **os.environ, 'OMP_NUM_THREADS': '1', 'MPLBACKEND': 'Agg', **environment
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd, env=variables, timeout=timeout, capture_output=True, text=True,
            encoding='utf-8', errors='replace', check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope='session')
def run_tool(tmp_path_factory, run_python) -> Callable[..., subprocess.CompletedProcess]:
    """``run_tool('train', *arguments, cwd=ROOT, timeout=300)``: a script of ``tools``, one thread.

    Its process is forked from one that has imported what the scripts import and nothing else:
    that takes them longer than a tiny training. Where nothing can be forked, as ``run_python``.
    """

    def run(tool: str, *arguments, cwd: Path = ROOT, timeout: float = 300, **environment: str):
        command = [str(ROOT / 'tools' / f'{tool}.py'), *map(str, arguments)]
        if 'forkserver' not in multiprocessing.get_all_start_methods():
            return run_python(*command, cwd=cwd, timeout=timeout, **environment)
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(['mmdefect.engine.launch'])
        folder = tmp_path_factory.mktemp('run_tool')
        out, err = folder / 'out', folder / 'err'
        with pytest.MonkeyPatch.context() as patch:
            # Read where torch is imported: when the first process is started.
            patch.setenv('OMP_NUM_THREADS', '1')
            patch.setenv('MPLBACKEND', 'Agg')
            variables = {**os.environ, **environment}
            given = dict(
                arguments=command, cwd=str(cwd), environment=variables, out=str(out), err=str(err)
            )
            process = context.Process(target=exec, args=(_TOOL, given))
            process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        texts = [path.read_text(encoding='utf-8', errors='replace') for path in (out, err)]
        return subprocess.CompletedProcess(command, process.exitcode, *texts)

    return run


@pytest.fixture(scope='session')
def make_policy():
    """``make_policy(n=1, **bands)`` -> a policy of rust (.3, .6) and pit (.5, never fails)."""
    from mmdefect.decision import Bands, Pooling, ThresholdPolicy

    counts = {'tp': 59, 'fn': 0, 'fp': 0, 'tn': 0}

    def make(n=1, **bands):
        bands = bands or {'rust': (0.3, 0.6), 'pit': (0.5, None)}
        return ThresholdPolicy(
            model_sha256='0' * 64,
            calibration_sha256='0' * 64,
            classes=tuple(bands),
            thresholds={name: Bands(hold=hold, fail=fail) for name, (hold, fail) in bands.items()},
            pooling=Pooling(n=n),
            evidence={
                'date': '2026-01-01', 'created_by': 'test', 'parts': 59, 'images': 59,
                'overlap_with_training': 'unknown', 'joint_confidence': 0.95,
                'certificates': [{
                    'class_name': None, 'target_recall': 0.95, 'confidence': 0.95, 'method': 'm',
                    'n_defective': 59, 'n_good': 0, 'allowed_misses': 0, 'recall_lower': 0.9505,
                    'false_alarms_upper': None,
                }],
                'part': counts, 'failed': counts, 'by_class': {'rust': counts},
                'no_better_than_flagging_all': None,
            },
        )  # fmt: skip

    return make
