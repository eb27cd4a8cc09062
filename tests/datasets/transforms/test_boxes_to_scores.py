from __future__ import annotations

import numpy as np
import pytest

from mmdefect.datasets import BoxesToScores


@pytest.mark.parametrize(
    ('labels', 'ignored', 'score'),
    [
        ([], [], [0, 0, 0]), ([0, 2, 2], [0, 0, 0], [1, 0, 1]), ([1, 2], [1, 0], [0, 0, 1]),
        ([1], None, [0, 1, 0]), ([1], [1], [0, 0, 0]), ([1, 1], [1, 0], [0, 1, 0]),
    ],
)  # fmt: skip
def test_a_class_is_there_if_a_box_of_it_counts(labels, ignored, score):
    sample = {'gt_bboxes_labels': np.array(labels, np.int64), 'img': 1}
    if ignored is not None:
        sample['gt_ignore_flags'] = np.array(ignored, bool)
    found = BoxesToScores(num_classes=3)(sample)
    assert found['gt_score'].tolist() == score and found['gt_score'].dtype == np.float32
    assert found['img'] == 1


@pytest.mark.parametrize(
    ('sample', 'words'),
    [
        ({'img_path': 'a.png'}, 'a.png: BoxesToScores needs boxes'),
        (
            {'img_path': 'a.png', 'gt_bboxes_labels': np.array([1, 3])},
            'a.png: label 3 is beyond num_classes=3',
        ),
    ],
)
def test_unusable_samples(sample, words):
    with pytest.raises(ValueError, match=words):
        BoxesToScores(num_classes=3)(sample)


@pytest.mark.parametrize('value', [0, -1, True, 2.0, '2'])
def test_number_of_classes(value):
    with pytest.raises(ValueError, match='num_classes must be'):
        BoxesToScores(num_classes=value)
    with pytest.raises(ValueError, match="unknown key 'classes'"):
        BoxesToScores(classes=value)
