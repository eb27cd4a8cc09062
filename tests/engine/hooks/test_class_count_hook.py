from types import SimpleNamespace

import pytest
from torch import nn

from mmdefect.engine.hooks import ClassCountHook
from mmdefect.engine.hooks.class_count_hook import check_class_count
from mmdefect.errors import InputError


class Head(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes


class Detector(nn.Module):
    def __init__(self, classes, rpn_classes=1):
        super().__init__()
        self.bbox_head = Head(classes)
        self.rpn_head = Head(rpn_classes)


def runner(head_classes, names):
    dataset = SimpleNamespace(metainfo={'classes': names})
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(
        model=Detector(head_classes),
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
    )


@pytest.mark.parametrize('stage', ['before_train', 'before_val', 'before_test'])
def test_every_stage_checks(stage):
    getattr(ClassCountHook(), stage)(runner(2, ('a', 'b')))
    with pytest.raises(InputError, match=r'bbox_head\.num_classes is 2.*set num_classes=3'):
        getattr(ClassCountHook(), stage)(runner(2, ('a', 'b', 'c')))


def test_no_names_and_unknown_key():
    ClassCountHook().before_train(runner(2, ()))
    with pytest.raises(InputError, match="unknown key 'x'"):
        ClassCountHook(x=1)


def test_heads_of_classifiers_too():
    model = nn.Module()
    model.classifier = nn.Module()
    model.classifier.head = Head(2)
    dataset = SimpleNamespace(metainfo={'classes': ('a', 'b', 'c')})
    with pytest.raises(InputError, match=r'model\.classifier\.head\.num_classes is 2'):
        check_class_count(model, dataset)
