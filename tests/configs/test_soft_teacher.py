"""The soft teachers on NEU-DET: data, twins, and a training of a few steps through the tool."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine import launch

ROOT = Path(__file__).resolve().parents[2] / 'configs'
FOLDER = ROOT / 'soft_teacher'
KINDS = ('faster-rcnn', 'retinanet')
# Image 2 of the labelled and image 5 of the unlabelled ones show no defect.
LABELLED, UNLABELLED = (0, 1, 2), (3, 4, 5, 6)
TINY = [
    'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False',
    'default_hooks.logger.interval=1', 'default_hooks.checkpoint.interval=2',
    'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
]  # fmt: skip


@pytest.fixture(scope='module')
def steel(tmp_path_factory):
    """Seven images in the layout of NEU-DET."""
    folder = tmp_path_factory.mktemp('data')
    root = folder / 'neu_det'
    classes = Config.fromfile(ROOT / '_base_/datasets/neu_det.py').classes
    for name in ('images', 'annotations'):
        (root / name).mkdir(parents=True)
    generator = np.random.default_rng(0)
    for index in range(7):
        pixels = generator.integers(90, 120, (64, 64), np.uint8)
        boxes = ''
        if index not in (2, 5):
            pixels[20:40, 10:50] = 220
            boxes = (
                f'<object><name>{classes[index % 6]}</name><bndbox><xmin>11</xmin>'
                '<ymin>21</ymin><xmax>50</xmax><ymax>40</ymax></bndbox></object>'
            )
        Image.fromarray(pixels).save(root / f'images/{index}.png')
        (root / f'annotations/{index}.xml').write_text(
            f'<annotation><filename>{index}.png</filename>{boxes}</annotation>'
        )
    for name, images in (
        ('train_labeled_10', LABELLED), ('train_unlabeled_90', UNLABELLED), ('val', (0, 1, 2)),
    ):  # fmt: skip
        (root / f'{name}.txt').write_text('\n'.join(map(str, images)))
    return folder


@pytest.fixture
def load(steel, monkeypatch):
    monkeypatch.setenv('MMDEFECT_DATA', steel.as_posix())
    init_default_scope('mmdet')
    return lambda name: Config.fromfile(FOLDER / f'{name}_neu-det_10pct.py')


@pytest.mark.parametrize('kind', KINDS)
def test_branches_hold_what_they_should(load, kind):
    loader = load(f'soft_teacher_{kind}').train_dataloader
    loader.update(num_workers=0, persistent_workers=False)
    batches = iter(Runner.build_dataloader(loader, seed=0))
    seen = {'sup': set(), 'unsup_teacher': set()}
    for _ in range(4):
        samples = next(batches)['data_samples']
        branches = {
            branch: [sample for sample in found if sample is not None]
            for branch, found in samples.items()
        }
        assert [len(found) for found in branches.values()] == [4, 4, 4]
        for branch in seen:
            seen[branch] |= {Path(sample.img_path).stem for sample in branches[branch]}
        for teacher, student in zip(
            branches['unsup_teacher'], branches['unsup_student'], strict=True
        ):
            assert teacher.img_path == student.img_path
            assert teacher.homography_matrix.shape == student.homography_matrix.shape == (3, 3)
            # The hidden box goes no further than the teacher's branch.
            assert len(teacher.gt_instances) == (Path(teacher.img_path).stem != '5')
            assert len(student.gt_instances) == 0
    assert seen == {'sup': set('012'), 'unsup_teacher': set('3456')}


@pytest.mark.parametrize('kind', KINDS)
def test_twins_differ_in_the_unlabelled_images_only(load, kind):
    soft, alone = load(f'soft_teacher_{kind}'), load(f'supervised_{kind}')
    assert soft.model.detector == alone.model
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'val_dataloader', 'val_evaluator'):
        assert soft[key] == alone[key], key
    labelled = soft.train_dataloader.dataset.datasets[0]
    assert labelled.reader == alone.train_dataloader.dataset.reader
    *steps, split = labelled.pipeline
    assert [*steps, *split.sup] == alone.train_dataloader.dataset.pipeline
    share = soft.source_ratio[0] / sum(soft.source_ratio)
    assert soft.batch_size * share == alone.train_dataloader.batch_size
    for loader in (soft.train_dataloader, alone.train_dataloader):
        assert loader.batch_size == loader.sampler.batch_size
    # Both are judged by averaged weights.
    assert soft.val_cfg.type == 'TeacherStudentValLoop'
    assert soft.default_hooks.checkpoint.save_best == 'teacher/mmdefect/AP50'
    assert_averaged_alike(soft, alone)


def assert_averaged_alike(soft, alone):
    average = alone.default_hooks.average
    assert average.type == 'mmdefect.WeightAverageHook'
    assert average.burn_in == soft.model.semi_train_cfg.burn_in
    teacher = next(hook for hook in soft.custom_hooks if 'MeanTeacher' in hook.type)
    assert average.decay == teacher.decay


@pytest.mark.parametrize('name', ['custom_multi_view', 'custom_multi_view_tiny',
                                  'demo_multi_view'])  # fmt: skip
def test_twins_of_several_views_differ_in_the_unlabelled_parts_only(name):
    soft, alone = (
        Config.fromfile(FOLDER / f'{twin}_{name}.py') for twin in ('soft_teacher', 'supervised')
    )
    assert soft.model.detector == alone.model
    for key in ('val_dataloader', 'test_dataloader', 'val_evaluator', 'param_scheduler'):
        assert soft[key] == alone[key], key
    assert soft.optim_wrapper == alone.optim_wrapper
    labelled = soft.train_dataloader.dataset.datasets[0]
    assert labelled.reader == alone.train_dataloader.dataset.reader
    (per_view,), (own,) = labelled.pipeline, alone.train_dataloader.dataset.pipeline
    *steps, split = per_view.transforms
    assert [*steps, *split.sup] == own.transforms
    share = soft.train_dataloader.sampler.source_ratio[0] / 2
    assert soft.train_dataloader.batch_size * share == alone.train_dataloader.batch_size
    assert_averaged_alike(soft, alone)


@pytest.mark.parametrize('path', sorted(FOLDER.glob('*.py')), ids=lambda path: path.stem)
def test_the_learning_rate_was_chosen_for_this_batch_size(path):
    config = Config.fromfile(path)
    assert config.auto_scale_lr.base_batch_size == config.train_dataloader.batch_size
    assert config.auto_scale_lr.enable is False


@pytest.mark.parametrize('name', [f'{twin}_{kind}' for twin in ('soft_teacher', 'supervised')
                                  for kind in KINDS])  # fmt: skip
def test_nothing_is_frozen_or_downloaded_and_the_zones_are_there(load, name):
    config = load(name)
    assert config.load_from is None and 'Pretrained' not in str(config.model)
    assert config.custom_imports.imports == ['mmdefect']
    model = MODELS.build(config.model).train()
    student = getattr(model, 'student', model)
    assert all(weight.requires_grad for weight in student.parameters())
    assert '# ---- often changed ' in (FOLDER / f'{name}_neu-det_10pct.py').read_text()


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_burn_in_alone_then_the_soft_teacher_goes_on_from_it(load, kind, tmp_path):
    """Through the code of tools/train.py: the twin, and from its weights the soft teacher."""
    size = ['backbone.base_channels=8', 'neck.in_channels=[8,16,32,64]', 'neck.out_channels=16']
    if kind == 'retinanet':
        size += ['bbox_head.in_channels=16', 'bbox_head.feat_channels=16']
    else:
        size += [
            'rpn_head.in_channels=16', 'rpn_head.feat_channels=16',
            'roi_head.bbox_roi_extractor.out_channels=16', 'roi_head.bbox_head.in_channels=16',
            'roi_head.bbox_head.fc_out_channels=32',
        ]  # fmt: skip

    def train(name, prefix, *options):
        work_dir = tmp_path / name
        model = [f'{prefix}.{item}' for item in size]
        launch.train(
            [str(FOLDER / f'{name}_neu-det_10pct.py'), '--work-dir', str(work_dir),
             '--cfg-options', *TINY, *model, *options]
        )  # fmt: skip
        return sorted(work_dir.rglob('*.log'))[-1].read_text()

    train(f'supervised_{kind}', 'model')
    burnt_in = tmp_path / f'supervised_{kind}' / 'iter_2.pth'
    thresholds = [f'model.semi_train_cfg.thresholds.{key}=0.06' for key in ('initial', 'cls')]
    if kind != 'retinanet':
        thresholds.append('model.semi_train_cfg.thresholds.rpn=0.06')
    burn_in = int(kind == 'faster-rcnn')
    log = train(
        f'soft_teacher_{kind}', 'model.detector', f'load_from={burnt_in}',
        f'model.semi_train_cfg.burn_in={burn_in}', *thresholds,
    )  # fmt: skip
    loaded = re.search(r'weights loaded: (.*)', log)[1]
    assert re.search(r'student (\d+) of \1\b', loaded) and re.search(r'teacher (\d+) of \1', loaded)
    lines = re.findall(r'Iter\(train\) \[\d/2\].*', log)
    assert len(lines) == 2
    assert not any('unsup_loss_cls' in line or 'pseudo/' in line for line in lines[:burn_in])
    for line in lines[burn_in:]:
        assert 'unsup_loss_cls' in line and 'pseudo/threshold/crazing' in line
        assert 'pseudo/recall/' in line
    assert 'teacher/mmdefect/AP50' in log and 'student/mmdefect/AP50' in log
    assert (tmp_path / f'soft_teacher_{kind}' / 'iter_2.pth').is_file()
