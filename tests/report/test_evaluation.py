from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdefect.errors import InputError
from mmdefect.report.evaluation import load_evaluation

BOX = [10, 10, 30, 30]


def entry(truth: list, found: list) -> dict:
    return {
        'path': 'a.png', 'width': 60, 'height': 40, 'ground_truth': truth, 'detections': found
    }  # fmt: skip


def test_what_was_written_is_read(tmp_path: Path, write_run) -> None:
    content = write_run(tmp_path, ['rust'], [entry([[*BOX, 0, 0]], [[*BOX, 0, 0.9]])])
    evaluation = load_evaluation(tmp_path)
    assert evaluation.metrics == content['metrics']
    assert set(evaluation.metrics.values()) == {1}
    assert evaluation.score_table.found == content['score_table']['found']
    assert evaluation.images[0].detections == [(*BOX, 0, 0.9)]
    assert evaluation.images_good == 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (None, r'no evaluation.json in it; tools/test.py CONFIG CHECKPOINT --work-dir .* for a '
               r'detector; a classifier .*--out FILE.jsonl .*thresholds FILE.jsonl --figure '),
        ('{"format": ', r'evaluation\.json: is not whole JSON'),
        ('[1]', r"format must be 'mmdefect-evaluation/2', got None"),
        ({'format': 'mmdefect-evaluation/1'}, r"got 'mmdefect-evaluation/1'; run test again"),
        ({'classes': 'rust'}, r"key 'classes'"),
        ({'classes': ['rust', 'dent']}, r'score_table.truth must have 2 rows, got 1'),
        ({'min_score': -0.1}, r"key 'min_score'"),
        ({'min_score': float('nan')}, r"key 'min_score'"),
        ({'images': [entry([[*BOX, 7, 0]], [])]}, r'image a\.png: class index .* got 7'),
        ({'images': [entry([[1, 2, None, 4, 0, 0]], [])]}, r"'images.0.ground_truth.0.2'"),
        ({'images': [entry([], [[1, 2, float('nan'), 4, 0, 0.5]])]}, r'detections.0.2'),
        ({'pr_curves': [{'name': 'a', 'recall': [0], 'precision': [], 'score': []}]}, 'equally'),
        ({'confusion': [[1]]}, 'confusion must be 2 by 2'),
        ({'operating': {'threshold': 2}}, r"key 'operating.threshold'"),
        ({'iou_histogram': {'edges': [0, 1], 'counts': [[1, 2]], 'mean_iou': None}}, '1 counts'),
        ({'error_types': {'missed': {'counts': [1, 2], 'dAP50': 0, 'dAP50_per_class': [0]}}},
         r'error_types.missed.counts must have 1 rows, got 2'),
        ({'error_types': {}}, r'error_types must have all types, lacks classification, local'),
        ({'per_class': []}, 'per_class must have one row for each of classes'),
        ({'pr_curves': [{'name': 'dent', 'recall': [], 'precision': [], 'score': []}]},
         'pr_curves must have one row for each of classes, in this order'),
    ],
)  # fmt: skip
def test_bad_evaluation(tmp_path: Path, write_run, change, message: str) -> None:
    if isinstance(change, str):
        (tmp_path / 'evaluation.json').write_text(change)
    elif change is not None:
        write_run(tmp_path, ['rust'], [], change)
    with pytest.raises(InputError, match=message) as caught:
        load_evaluation(tmp_path)
    assert str(tmp_path) in str(caught.value) and '\n' not in str(caught.value)


def test_unreadable_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no such work directory'):
        load_evaluation(tmp_path / 'none')
    (tmp_path / 'evaluation.json').mkdir()
    with pytest.raises(InputError, match='cannot be read'):
        load_evaluation(tmp_path)


@pytest.mark.parametrize('missing', ['score_table', 'operating', 'error_types', 'confusion'])
def test_each_measure_is_needed(tmp_path: Path, write_run, missing: str) -> None:
    content = write_run(tmp_path, ['rust'], [])
    del content[missing]
    (tmp_path / 'evaluation.json').write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"key '{missing}': Field required"):
        load_evaluation(tmp_path)
