from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmdefect.engine.hooks import PseudoLabelGalleryHook
from mmdefect.errors import InputError

CLASSES = ('dent', 'rust')


def sample(name, boxes=(), truth=None, role='inspect', shape=(40, 60)):
    made = DetDataSample(
        metainfo=dict(img_path=f'parts/{name}', img_shape=shape, view_role=role, view_id=3)
    )
    rows = torch.tensor(boxes, dtype=torch.float32).view(-1, 6)
    made.pred_instances = InstanceData(
        bboxes=rows[:, :4], scores=rows[:, 4], labels=rows[:, 5].long(),
        for_initial=rows[:, 4] >= 0.6, for_cls=rows[:, 4] >= 0.5, weights=rows[:, 4] + 1,
    )  # fmt: skip
    if truth is not None:
        made.gt_instances = InstanceData(
            bboxes=torch.tensor(truth, dtype=torch.float32).view(-1, 4),
            labels=torch.zeros(len(truth), dtype=torch.int64),
        )
    return made


def make_runner(work_dir, samples, classes=CLASSES):
    pictures, warnings = [], []
    model = SimpleNamespace(
        last_pseudo_labels=samples, semi_train_cfg=dict(classes=classes), burning_in=False
    )
    return SimpleNamespace(
        work_dir=str(work_dir), iter=9, model=model, pictures=pictures, warnings=warnings,
        visualizer=SimpleNamespace(add_image=lambda *given: pictures.append(given)),
        logger=SimpleNamespace(warning=warnings.append),
    )  # fmt: skip


def batch(*images, roles=None):
    roles = roles or ['inspect'] * len(images)
    samples = [DetDataSample(metainfo=dict(view_role=role)) for role in roles]
    return {
        'inputs': {'sup': [], 'unsup_teacher': list(images)},
        'data_samples': {'sup': [], 'unsup_teacher': samples},
    }


def flat(grey, shape=(40, 60), channels=3):
    return torch.full((channels, *shape), grey, dtype=torch.uint8)


def draw(runner, data, outputs=None, **keys):
    hook = PseudoLabelGalleryHook(**{'interval': 5, 'cell': 120, **keys})
    hook.before_train(runner)
    hook.after_train_iter(runner, 0, data, {'loss': 1} if outputs is None else outputs)


def sheet_of(work_dir, name='iter_10.jpg'):
    return cv2.imread(str(work_dir / 'pseudo_labels' / name))


def test_sheet(tmp_path):
    runner = make_runner(
        tmp_path,
        [sample('a.png', [[6, 6, 30, 30, 0.7, 0]], truth=[[30, 10, 50, 30]]), sample('b.png')],
    )
    draw(runner, batch(flat(100), flat(200)))
    sheet = sheet_of(tmp_path)
    assert sheet.shape[1] == 2 * 126 + 6
    name, picture, step = runner.pictures[0]
    assert (name, step, picture.shape) == ('pseudo_labels', 10, sheet.shape)
    # The pixels of both images, and the colour of the class; the back ends take RGB.
    assert (picture == 100).all(2).sum() > 3000 and (picture == 200).all(2).sum() > 8000
    assert (picture == (0x11, 0x99, 0xDD)).all(2).sum() > 200
    assert np.abs(picture[..., ::-1].astype(int) - sheet).mean() < 6


def test_without_hidden_truth_nothing_is_dashed(tmp_path):
    counts = []
    for number, truth in enumerate((None, [], [[30, 10, 50, 30]])):
        runner = make_runner(tmp_path / str(number), [sample('a.png', truth=truth)])
        draw(runner, batch(flat(100)))
        counts.append((runner.pictures[0][1] == (0x11, 0x99, 0xDD)).all(2).sum())
    # The square in the key of the classes, and lines.
    assert counts[0] == counts[1] == 121 < counts[2]


def test_reference_views_are_left_out(tmp_path):
    runner = make_runner(tmp_path, [sample('a.png'), sample('b.png')])
    images = flat(50), flat(100), flat(200)
    draw(runner, batch(*images, roles=['inspect', 'reference', 'inspect']))
    picture = runner.pictures[0][1]
    assert [(picture == grey).all(2).sum() > 5000 for grey in (50, 100, 200)] == [True, False, True]


def test_few_images_grey_ones_and_resized_batches(tmp_path):
    runner = make_runner(tmp_path, [sample('a.png', shape=(80, 120)), sample('b.png')])
    draw(runner, batch(flat(50, channels=1), flat(100)), max_images=1)
    picture = runner.pictures[0][1]
    assert picture.shape[1] == 126 + 6
    assert 0 <= (picture == 50).all(2).sum() - 120 * 80 < 100


@pytest.mark.parametrize(
    'change',
    [
        dict(iter=7), dict(outputs={}), dict(burning_in=True), dict(samples=[]),
    ],
)  # fmt: skip
def test_nothing_is_due(tmp_path, change):
    runner = make_runner(tmp_path, change.get('samples', [sample('a.png')]))
    runner.iter = change.get('iter', 9)
    runner.model.burning_in = change.get('burning_in', False)
    draw(runner, batch(flat(100)), outputs=change.get('outputs'))
    assert not list(tmp_path.iterdir()) and not runner.pictures and not runner.warnings


def test_a_batch_that_does_not_fit_is_said(tmp_path):
    runner = make_runner(tmp_path, [sample('a.png')])
    draw(runner, batch(flat(1), flat(2)))
    assert '1 image with pseudo labels, but 2 in the batch' in runner.warnings[0]
    assert not runner.pictures


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        (dict(interval=0), 'interval must be an integer >= 1, got 0'),
        (dict(cell=31), 'cell must be an integer >= 32, got 31'),
        (dict(columns=True), 'columns must be an integer >= 1, got True'),
        (dict(max_image=3), "unknown key 'max_image'; did you mean 'max_images'"),
    ],
)
def test_refused(keys, message):
    with pytest.raises(InputError, match=message):
        PseudoLabelGalleryHook(**keys)


def test_other_models_are_refused(tmp_path):
    runner = make_runner(tmp_path, [])
    runner.model = torch.nn.Identity()
    with pytest.raises(InputError, match='model Identity keeps no pseudo labels'):
        PseudoLabelGalleryHook().before_train(runner)
