from __future__ import annotations

import json

import numpy as np
import pytest

from mmdefect.errors import InputError
from mmdefect.evaluation import ImageResult
from mmdefect.evaluation.analysis import analyse_images
from mmdefect.evaluation.evidence import make_evidence
from mmdefect.report.evaluation import load_evaluation
from mmdefect.structures import EVALUATION_FORMAT

BOX, LABEL = np.array([[0.0, 0, 10, 10]]), np.array([0])
IMAGE = ImageResult(
    'a.png', 20, 20, BOX, LABEL, np.array([False]), BOX, LABEL, np.array([0.9], np.float32)
)


@pytest.fixture
def record():
    return {'format': EVALUATION_FORMAT, **make_evidence([IMAGE], ['rust', 'chip'], 100)}


@pytest.fixture
def load(tmp_path):
    def run(record):
        (tmp_path / 'evaluation.json').write_text(json.dumps(record))
        return load_evaluation(tmp_path)

    return run


def test_table_is_the_one_that_was_measured(record, load):
    table, expected = load(record).score_table.table(), analyse_images([IMAGE], 2, 100).table
    for name in type(table).__slots__:
        np.testing.assert_array_equal(getattr(table, name), getattr(expected, name), err_msg=name)
    assert table.best_threshold() == load(record).operating.threshold


def test_file_of_an_older_version(record, load):
    with pytest.raises(InputError, match="got 'mmdefect-evaluation/1'; run test again: tools/test"):
        load({**record, 'format': 'mmdefect-evaluation/1'})


@pytest.mark.parametrize(
    ('place', 'value', 'message'),
    [
        (('score_table', 'truth'), [1], 'score_table.truth must have 2 rows, got 1'),
        (('score_table', 'found', 0), [1] * 100, 'score_table.found.0'),
        (('score_table', 'found', 0, 3), -1, 'score_table.found.0.3'),
        (('score_table', 'lowest'), 0, 'score_table.lowest'),
        (('operating', 'recall'), 1.5, 'operating.recall'),
        (('iou_histogram', 'counts', 0), [1], 'there must be 18 counts for the bins, got 1'),
        (('iou_histogram', 'counts'), [], 'iou_histogram.counts must have 2 rows, got 0'),
        (('recall_by_size', 'found', 0), [1], 'there must be 8 counts for the bins, got 1'),
        (('error_types', 'both', 'counts'), [1], 'error_types.both.counts must have 2 rows'),
        (('error_types', 'both', 'dAP50_per_class'), [], 'dAP50_per_class must have 2 rows'),
        (('confusion',), [[0, 0], [0, 0]], 'confusion must be 3 by 3'),
        (('confusion', 0), [0], 'confusion must be 3 by 3'),
        (('confusion',), None, "key 'confusion'"),
    ],
)  # fmt: skip
def test_bad_measures(record, load, place, value, message):
    part = record
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(InputError) as caught:
        load(record)
    assert message in str(caught.value) and '\n' not in str(caught.value)
