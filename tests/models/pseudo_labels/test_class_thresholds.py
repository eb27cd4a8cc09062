from __future__ import annotations

import pytest
import torch

from mmdefect.errors import InputError
from mmdefect.models import ClassThresholds

CLASSES = ('dent', 'rust')


def test_defaults_of_both_kinds_of_detectors():
    two, one = ClassThresholds(CLASSES, True), ClassThresholds(CLASSES, False)
    assert two.losses == ('initial', 'cls', 'rpn') and one.losses == ('initial', 'cls')
    assert two.of('initial').tolist() == pytest.approx([0.4] * 2)
    assert two.of('cls').tolist() == two.of('rpn').tolist() == pytest.approx([0.35] * 2)
    assert two.lowest().tolist() == pytest.approx([0.35] * 2)


def test_the_lowest_of_each_class():
    thresholds = ClassThresholds(
        CLASSES,
        True,
        initial={'dent': 0.2, 'rust': 0.6},
        cls=0.5,
        rpn={'rust': 0.1, 'default': 0.9},
    )
    assert thresholds.lowest().tolist() == pytest.approx([0.2, 0.1])


def test_what_the_config_says_is_not_saved():
    assert not ClassThresholds(CLASSES, True).state_dict()


@pytest.mark.parametrize('value', [0, 1, 1.2, -0.1, float('nan'), True, '0.4', None])
def test_impossible_thresholds(value):
    with pytest.raises(InputError, match=r'ClassThresholds: cls must be .*\(0, 1\)'):
        ClassThresholds(CLASSES, True, cls=value)


def test_classes_are_checked():
    with pytest.raises(InputError, match="unknown key 'dnet'; did you mean 'dent'"):
        ClassThresholds(CLASSES, True, cls={'dnet': 0.3, 'rust': 0.3})
    with pytest.raises(InputError, match="no threshold for class 'rust'"):
        ClassThresholds(CLASSES, True, cls={'dent': 0.3})
    with pytest.raises(InputError, match='has no RPN; remove the key'):
        ClassThresholds(CLASSES, False, rpn=0.35)


def test_one_class():
    assert ClassThresholds(['dent'], False).of('cls').shape == torch.Size([1])
