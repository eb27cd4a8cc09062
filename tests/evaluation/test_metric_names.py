from __future__ import annotations

import pytest

from mmdefect.evaluation.metric_names import MetricScores, read_metrics, split_owner


@pytest.mark.parametrize(
    ('name', 'parts'),
    [
        ('teacher/mmdefect/AP50', ('teacher', 'mmdefect/AP50')),
        ('student/coco/bbox_mAP', ('student', 'coco/bbox_mAP')),
        ('mmdefect/AP50/teacher', ('', 'mmdefect/AP50/teacher')),
        ('teacher', ('', 'teacher')),
        ('AP50', ('', 'AP50')),
    ],
)
def test_split_owner(name, parts):
    assert split_owner(name) == parts


def test_one_model():
    found = read_metrics(
        {'mmdefect/AP': 0.2, 'mmdefect/AP/dent': 0.3, 'mmdefect/F1/dent': 0.4, 'AP75': 0.1},
        ['dent'],
    )
    assert found == {
        '': MetricScores({'AP': 0.2, 'AP75': 0.1}, {'AP': {'dent': 0.3}, 'F1': {'dent': 0.4}})
    }


def test_the_teacher_comes_first_and_the_first_prefix_counts():
    found = read_metrics(
        {'student/mmdefect/AP': 0.1, 'teacher/mmdefect/AP': 0.2, 'teacher/part/AP': 0.9}, []
    )
    assert list(found) == ['teacher', 'student']
    assert found['teacher'].overall == {'AP': 0.2}


def test_names_of_mmdetection():
    found = read_metrics({'coco/bbox_mAP': 0.2, 'coco/bbox_mAP_50': 0.4}, ['dent'])
    assert found[''].overall == {'AP': 0.2, 'AP50': 0.4}


@pytest.mark.parametrize('name', ['hole/edge', 'AP', 'teacher'])
def test_odd_class_names(name):
    found = read_metrics({f'mmdefect/AP/{name}': 0.5, f'teacher/mmdefect/AP/{name}': 0.6}, [name])
    assert found[''].classes == {'AP': {name: 0.5}}
    assert found['teacher'].classes == {'AP': {name: 0.6}}


def test_other_entries_are_no_class():
    assert read_metrics({'mmdefect/AP/unknown': 0.5}, ['dent']) == {'': MetricScores()}
    assert read_metrics({}, ['dent']) == {}
