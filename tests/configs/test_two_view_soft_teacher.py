"""The soft teacher on DeepPCB: board and template together, and its twin."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope

ROOT = Path(__file__).resolve().parents[2] / 'configs'
LISTS = [ROOT / f'_base_/datasets/deep_pcb_{name}.txt' for name in ('labeled_10', 'unlabeled_90')]
LABELLED, UNLABELLED = ('0', '1', '2'), ('3', '4', '5', '6')


@pytest.fixture(scope='module')
def boards(tmp_path_factory):
    """Seven boards of 224 px, each with its template and a bright defect; board 2 is good."""
    folder = tmp_path_factory.mktemp('data')
    root = folder / 'deep_pcb'
    root.mkdir()
    generator = np.random.default_rng(0)
    for name in (*LABELLED, *UNLABELLED):
        board = generator.integers(90, 120, (224, 224), np.uint8)
        Image.fromarray(board).save(root / f'{name}_temp.png')
        if name != '2':
            board[100:120, 90:130] = 250
        Image.fromarray(board).save(root / f'{name}_test.png')
        (root / f'{name}.txt').write_text('' if name == '2' else '90 100 130 120 3')
    for name, listed in (
        ('train.txt', LABELLED), ('val.txt', LABELLED), ('few.txt', LABELLED),
        ('many.txt', UNLABELLED),
    ):  # fmt: skip
        (root / name).write_text('\n'.join(listed))
    return folder


@pytest.fixture
def load(boards, monkeypatch):
    monkeypatch.setenv('MMDEFECT_DATA', boards.as_posix())
    init_default_scope('mmdet')

    def load(name):
        config = Config.fromfile(ROOT / f'soft_teacher/{name}_deep-pcb_two-view.py')
        dataset = config.train_dataloader.dataset
        for source, listed in zip(
            dataset.get('datasets', [dataset]), ('few', 'many'), strict=False
        ):
            source.reader.list_file = f'{listed}.txt'
        return config

    return load


def batch_of(loader):
    loader.update(num_workers=0, persistent_workers=False)
    return next(iter(Runner.build_dataloader(loader, seed=0)))


def test_list_files_divide_the_training_set():
    few, many = (path.read_text().split() for path in LISTS)
    assert (len(set(few)), len(set(many)), len({*few, *many})) == (26, 234, 260)
    if 'MMDEFECT_DATA' in os.environ:
        listed = Path(os.environ['MMDEFECT_DATA'], 'deep_pcb/train.txt').read_text().splitlines()
        assert {*few, *many} == {line.split()[0] for line in listed}


def test_board_and_template_are_augmented_alike(load):
    batch = batch_of(load('soft_teacher').train_dataloader)
    kept = {}
    for branch, samples in batch['data_samples'].items():
        images = batch['inputs'][branch]
        kept[branch] = [pair for pair in zip(images, samples, strict=True) if pair[1] is not None]
        assert len(kept[branch]) == 4
        for (board, sample), (template, reference) in zip(
            kept[branch][::2], kept[branch][1::2], strict=True
        ):
            assert board.shape == template.shape == (3, 192, 192)
            assert (sample.view_role, reference.view_role) == ('inspect', 'reference')
            assert sample.part_id == reference.part_id
            np.testing.assert_array_equal(sample.homography_matrix, reference.homography_matrix)
            assert len(reference.gt_instances) == 0
            # Nothing but the defect differs.
            assert (board != template).any(0).float().mean() <= 1.05 * 20 * 40 / 192**2
    parts = {branch: [sample.part_id for _, sample in pairs[::2]] for branch, pairs in kept.items()}
    assert set(parts['sup']) <= set(LABELLED) and set(parts['unsup_teacher']) <= set(UNLABELLED)
    assert parts['unsup_teacher'] == parts['unsup_student']
    # The hidden boxes go no further than the teacher's branch.
    assert all(len(sample.gt_instances) for _, sample in kept['unsup_teacher'][::2])
    assert not any(len(sample.gt_instances) for _, sample in kept['unsup_student'])


def test_twins_differ_in_the_unlabelled_boards_only(load):
    soft, alone = load('soft_teacher'), load('supervised')
    assert soft.model.detector == alone.model
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'val_dataloader', 'val_evaluator'):
        assert soft[key] == alone[key], key
    labelled = soft.train_dataloader.dataset.datasets[0]
    assert labelled.reader == alone.train_dataloader.dataset.reader
    *before, per_view = labelled.pipeline
    *steps, split = per_view.transforms
    own = alone.train_dataloader.dataset.pipeline
    assert before == own[:-1] and [*steps, *split.sup] == own[-1].transforms
    share = soft.source_ratio[0] / sum(soft.source_ratio)
    assert soft.batch_size * share == alone.train_dataloader.batch_size
    assert alone.default_hooks.average.burn_in == soft.model.semi_train_cfg.burn_in


def test_a_step_of_each_learns(load):
    for name, prefixes in (('supervised', ('loss_',)), ('soft_teacher', ('sup_', 'unsup_'))):
        config = load(name)
        model = MODELS.build(config.model).train()
        data = model.data_preprocessor(batch_of(config.train_dataloader), training=True)
        losses = model(**data, mode='loss')
        total, logged = model.parse_losses(losses)
        assert total.isfinite() and total > 0
        assert all(any(key.startswith(start) for key in logged) for start in prefixes)
