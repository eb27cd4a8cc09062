"""Each cure is found for the failure that upstream really raises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, OPTIM_WRAPPERS, TRANSFORMS, init_default_scope
from torch import nn

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.check.cures import as_input_error, explain
from mmdefect.errors import InputError


def build(registry, **config):
    init_default_scope('mmdet')
    return registry.build(config)


def grey(**step):
    def run():
        transform = build(TRANSFORMS, **step)
        boxes = np.array([[2, 2, 9, 9]], np.float32)
        from mmdet.structures.bbox import HorizontalBoxes

        transform(
            {
                'img': np.zeros((16, 16, 1), step.pop('dtype', np.uint8))[..., 0],
                'img_shape': (16, 16), 'gt_bboxes': HorizontalBoxes(boxes),
                'gt_bboxes_labels': np.zeros(1, int), 'gt_ignore_flags': np.zeros(1, bool),
            }
        )  # fmt: skip

    return run


def loader(**options):
    return lambda: next(iter(torch.utils.data.DataLoader(range(3), **options)))


def mean_of_three():
    module = build(MODELS, type='DetDataPreprocessor', mean=[1.0] * 3, std=[1.0] * 3)
    module({'inputs': [torch.zeros(1, 4, 4)]})


def colours_swapped():
    module = build(MODELS, type='DetDataPreprocessor', mean=[1.0], std=[1.0], bgr_to_rgb=True)
    module({'inputs': [torch.zeros(1, 4, 4)]})


def no_homography():
    from mmdet.structures import DetDataSample

    _ = DetDataSample().homography_matrix


CASES = {
    'conv1': (lambda: nn.Conv2d(3, 4, 3)(torch.zeros(1, 1, 8, 8)), 'model.backbone.in_channels=1'),
    'grey conv1': (lambda: nn.Conv2d(1, 4, 3)(torch.zeros(1, 3, 8, 8)), 'channels=1'),
    'neck': (
        lambda: nn.Conv2d(256, 4, 1)(torch.zeros(1, 64, 8, 8)), 'part before gives 64 channels',
    ),
    'mean': (mean_of_three, 'one mean and std'),
    'bgr_to_rgb': (colours_swapped, 'bgr_to_rgb=False'),
    'amp': (
        lambda: build(
            OPTIM_WRAPPERS, type='AmpOptimWrapper',
            optimizer=torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1)),
        "optim_wrapper.type='mmdefect.AmpOptimWrapper'",
    ),
    'batch of one': (lambda: nn.BatchNorm1d(2)(torch.zeros(1, 2)), 'batch_size to 2'),
    'persistent': (loader(persistent_workers=True), 'persistent_workers=False'),
    'prefetch': (loader(prefetch_factor=2), 'leave prefetch_factor out'),
    'hsv of grey': (grey(type='YOLOXHSVRandomAug'), 'mmdefect.ToGrey'),
    'distortion of grey': (grey(type='PhotoMetricDistortion'), 'mmdefect.ToGrey'),
    'erasing grey': (grey(type='RandomErasing', n_patches=1, ratio=0.5), 'mmdefect.ToGrey'),
    'cutting grey': (grey(type='CutOut', n_holes=1, cutout_shape=(2, 2)), 'mmdefect.ToGrey'),
    'shearing grey': (grey(type='ShearX', prob=1.0, level=9), 'mmdefect.ToGrey'),
    'type': (lambda: build(MODELS, type='RetinaNett'), "did you mean 'RetinaNet'"),
    'transform': (lambda: build(TRANSFORMS, type='RandomFlipp'), "did you mean 'RandomFlip'"),
    'key': (lambda: build(MODELS, type='ResNet', dept=18), "did you mean 'depth'"),
    'missing key': (lambda: build(MODELS, type='ResNet'), "set 'depth' of ResNet"),
    'file': (lambda: Path('none/train.json').read_text(), 'none/train.json is missing'),
    'meta key': (no_homography, 'mmdefect.PackInputs'),
    'module': (lambda: __import__('nonesuch_module'), 'install nonesuch_module'),
}  # fmt: skip


@pytest.mark.parametrize('name', CASES)
def test_cure(name):
    run, cure = CASES[name]
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011  each raises its own
        run()
    if name == 'amp' and torch.cuda.is_available():
        pytest.skip('works on a GPU')
    failure = explain(caught.value, 'iteration 1')
    assert cure in failure.cure, failure
    assert '\n' not in str(failure) and failure.message


@pytest.mark.parametrize(
    ('message', 'cure'),
    [
        ('SyncBatchNorm expected input tensor to be on GPU', "norm_cfg=dict(type='BN')"),
        ('DataLoader worker (pid(s) 7) exited unexpectedly', 'num_workers=0'),
        ('Cannot re-initialize CUDA in forked subprocess. To use CUDA with', "'spawn'"),
        ('CUDA out of memory. Tried to allocate 2.00 GiB', 'lower train_dataloader.batch_size'),
        ('Cannot find valid image after 1000! Please check your image path', 'keep images'),
        ('weights/a.pth can not be found.', 'load_from'),
        ('There is no valid anchor inside the image boundary. Please', 'octave_base_scale'),
        (
            '<urlopen error [Errno -3] Temporary failure in name resolution>',
            'give a local file in load_from',
        ),
    ],
)
def test_cure_of_a_message(message, cure):
    assert cure in explain(RuntimeError(message)).cure


class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise ValueError('persistent_workers option needs num_workers > 0')


def test_errors_of_loader_processes_are_those_of_the_data_set():
    with pytest.raises(ValueError) as caught:
        next(iter(torch.utils.data.DataLoader(Broken(), num_workers=1)))
    failure = explain(caught.value)
    assert failure.message == 'persistent_workers option needs num_workers > 0'
    assert 'persistent_workers=False' in failure.cure


def test_component_and_unknown_failures():
    class Head(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError('odd\nthing')

    Head.__module__ = 'mmdet.models.head'
    with pytest.raises(ZeroDivisionError) as caught:
        nn.Sequential(Head())(1)
    assert str(explain(caught.value, 'iteration 1')) == (
        'iteration 1: Head: ZeroDivisionError: odd thing'
    )
    with pytest.raises(AssertionError) as empty:
        raise AssertionError
    assert 'test_cures.py, line' in explain(empty.value).message


def test_input_errors_are_their_own_cure():
    error = InputError('a.png: missing; give it')
    assert as_input_error(error, 'c.py') is error
    assert str(explain(error, 'reading')) == 'reading: a.png: missing; give it'
    assert str(as_input_error(ZeroDivisionError('x'), 'c.py')).startswith('c.py: ')
