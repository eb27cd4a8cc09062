"""The data of multi-view configs: what reaches the model of parts with eight views."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.synthetic import write_drill
from mmdefect.engine.check.data_counts import count_data
from mmdefect.engine.check.data_flow import measure_flow

ROOT = Path(__file__).resolve().parents[2] / 'configs'
NAMES = ('drill_multi_view', 'drill_multi_view_semi')


CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.glob('*/*.py')
    if path.parent.name != '_base_'
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('drill')
    write_drill(folder, 'real', parts={'train': 3, 'val': 3, 'test': 1, 'unlabeled': 2})
    return folder


@pytest.fixture
def load(data, monkeypatch):
    monkeypatch.setenv('MMDEFECT_DRILL', data.as_posix())
    init_default_scope('mmdet')
    return lambda name: Config.fromfile(ROOT / f'_base_/datasets/{name}.py')


def batches(loader, count=None):
    loader.update(num_workers=0, persistent_workers=False)
    return itertools.islice(Runner.build_dataloader(loader, seed=0), count)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('part', ['val_dataloader', 'test_dataloader'])
def test_every_view_is_evaluated_once_with_its_boxes(load, name, part):
    seen = []
    for batch in batches(load(name)[part]):
        for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
            assert image.shape == (3, 160, 160)
            assert len(sample.gt_instances) == len(sample.instances)
            assert sample.part_homography.shape == (3, 3)
            np.testing.assert_array_equal(sample.homography_matrix, np.eye(3))
            seen.append((sample.part_id, sample.view_id))
    split, count = part.split('_')[0], {'val_dataloader': 3, 'test_dataloader': 1}[part]
    assert seen == [(f'{split}_{index:04d}', view) for index in range(count) for view in range(8)]


def test_supervised_batches_hold_whole_parts(load):
    sizes = [
        len(batch['inputs']) for batch in batches(load('drill_multi_view').train_dataloader, 4)
    ]
    assert sizes == [16] * 4


def test_semi_supervised_batches(load):
    for batch in batches(load('drill_multi_view_semi').train_dataloader, 3):
        samples = {
            branch: [sample for sample in found if sample is not None]
            for branch, found in batch['data_samples'].items()
        }
        assert {branch: len(found) for branch, found in samples.items()} == {
            'sup': 16, 'unsup_teacher': 16, 'unsup_student': 16,
        }  # fmt: skip
        assert {sample.part_id[:5] for sample in samples['sup']} == {'train'}
        teacher, student = samples['unsup_teacher'], samples['unsup_student']
        keys = [(sample.part_id, sample.view_id) for sample in teacher]
        assert keys == [(sample.part_id, sample.view_id) for sample in student]
        # The hidden truth measures pseudo labels; the student never sees it.
        assert sum(len(sample.gt_instances) for sample in teacher) == sum(
            len(sample.instances) for sample in teacher
        )
        assert sum(len(sample.gt_instances) for sample in student) == 0


def test_homographies_tell_where_pixels_went(load):
    """The student's image, led back to the original, is the teacher's led back."""
    config = load('drill_multi_view_semi')
    (view,) = config.train_dataloader.dataset.datasets[1].pipeline
    student = view.transforms[-1].unsup_student
    # What changes pixels in their places is left out.
    kept = [step for step in student if step.type not in ('mmdefect.ColourSpace', 'RandomErasing')]
    view.transforms[-1].unsup_student = kept
    (batch,) = batches(config.train_dataloader, 1)

    def centres(branch, undo):
        """Inner 80 x 80 pixels, without the grain that half a pixel changes."""
        pairs = zip(batch['inputs'][branch], batch['data_samples'][branch], strict=True)
        for image, sample in pairs:
            if image is not None:
                matrix = np.linalg.inv(sample.homography_matrix) if undo else np.eye(3)
                pixels = image.permute(1, 2, 0).numpy()
                back = cv2.warpPerspective(pixels, matrix, sample.ori_shape[::-1])
                yield cv2.GaussianBlur(back, (9, 9), 0)[40:120, 40:120].astype(float)

    def differences(undo):
        pairs = zip(centres('unsup_teacher', undo), centres('unsup_student', undo), strict=True)
        return np.array([np.abs(one - other).mean() for one, other in pairs])

    moved, back = differences(undo=False), differences(undo=True)
    assert (moved > 10).sum() > 4
    assert back.max() < 3


@pytest.mark.parametrize('size', [(30, 20), (20, 30)], ids=['landscape', 'portrait'])
def test_data_of_one_orientation_does_not_hang(load, data, size, tmp_path):
    """Upstream's sampler groups by orientation and waits for ever for the other one."""
    for name in ('train', 'unlabeled_truth'):
        content = json.loads((data / f'{name}.json').read_text())
        content['annotations'] = []
        for image in content['images']:
            path = tmp_path / image['file_name']
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new('RGB', size).save(path)
            image.update(width=size[0], height=size[1])
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    config = load('drill_multi_view_semi')
    for source, name in zip(
        config.train_dataloader.dataset.datasets, ('train', 'unlabeled_truth'), strict=True
    ):
        source.reader.ann_file = str(tmp_path / f'{name}.json')
    found = list(batches(config.train_dataloader, 3))
    assert all(len(batch['inputs']['sup']) == 32 for batch in found)
    shapes = {image.shape[1:] for image in found[0]['inputs']['sup'] if image is not None}
    assert shapes == {torch.Size((107, 160) if size[0] > size[1] else (160, 107))}


@pytest.mark.parametrize('name', CONFIGS)
def test_samplers_of_mixed_batches_fit_loader_and_loop(name):
    config = Config.fromfile(ROOT / name)
    loader = config.train_dataloader
    if loader.sampler.type != 'mmdefect.SemiSupervisedSampler':
        return
    assert loader.batch_size == loader.sampler.batch_size
    assert config.train_cfg.get('max_iters'), 'the sampler has no end, so epochs have none'
    assert {'type': 'mmdefect.SamplerCheckHook'} in config.custom_hooks


def test_check_counts_the_boxes_of_all_views(load):
    dataset = DATASETS.build(load('drill_multi_view').train_dataloader.dataset)
    flow = count_data(dataset, 'train')
    measure_flow(dataset, flow)
    boxes = sum(len(dataset.get_data_info(index)['instances']) for index in range(3))
    assert (flow.item, flow.images, sum(flow.boxes.values())) == ('part', 3, boxes)
    views = [view for index in range(3) for view in dataset.get_data_info(index)['views']]
    assert flow.densest == max(len(view['instances']) for view in views)
    assert (flow.boxes_tried, flow.boxes_arrived) == (boxes, boxes)
    assert not flow.findings
