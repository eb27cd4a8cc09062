from __future__ import annotations

import pytest
from mmcv.transforms import Compose
from mmdet.datasets.transforms import LoadEmptyAnnotations, MultiBranch

from mmdefect.datasets.labelled_boxes import count_boxes, is_unlabelled, labels_of, leaves
from mmdefect.datasets.transforms import PackInputs, PerView

FIELD = ['sup', 'unsup_teacher', 'unsup_student']


class Data(list):
    metainfo = {'classes': ('dent', 'rust')}

    def __init__(self, *labels, steps=()):
        super().__init__(labels)
        self.pipeline = Compose(list(steps))

    def get_data_info(self, index):
        return {'instances': [{'bbox_label': label} for label in self[index]]}


class Several:
    def __init__(self, *datasets):
        self.datasets = datasets


class Around:
    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)


def branch(*names):
    return MultiBranch(branch_field=FIELD, **{name: [PackInputs()] for name in names})


@pytest.mark.parametrize(
    ('steps', 'unlabelled'),
    [
        ([], False),
        ([PackInputs()], False),
        ([branch('sup')], False),
        ([branch('unsup_teacher', 'unsup_student')], True),
        ([PerView([branch('sup')])], False),
        ([PerView([branch('unsup_teacher', 'unsup_student')])], True),
        ([LoadEmptyAnnotations(), PackInputs()], True),
    ],
)
def test_is_unlabelled(steps, unlabelled):
    assert is_unlabelled(Data(steps=steps)) == unlabelled


def test_boxes_of_unlabelled_parts_do_not_count():
    labelled = Data([0, 0], [], [1], steps=[branch('sup')])
    unlabelled = Data([1] * 9, steps=[branch('unsup_teacher', 'unsup_student')])
    assert count_boxes(Several(labelled, Around(unlabelled))) == {'dent': 2, 'rust': 1}
    assert count_boxes(unlabelled) == {'dent': 0, 'rust': 0}
    assert count_boxes(Around(Around(labelled))) == {'dent': 2, 'rust': 1}


def test_leaves_and_labels():
    a, b = Data([0]), Data([1])
    assert [name for name, _ in leaves(Several(a, Around(b)), 'train')] == [
        'train part 1', 'train part 2',
    ]  # fmt: skip
    assert labels_of({'instances': [{'bbox_label': 1}, {'bbox_label': 0, 'ignore_flag': 1}]}) == [1]
    assert labels_of({}) == []
