from __future__ import annotations

import json

import numpy as np
import pytest

from mmdefect.evaluation.evidence import make_evidence

BOX = (0, 0, 10, 10)


def test_results_per_class(image_result):
    images = [
        image_result([BOX, (20, 0, 30, 10)], [0, 0], [BOX], [0], [0.9]),
        image_result([BOX], [1], [(0, 0, 10, 5)], [1], [0.8]),
        image_result([BOX], [0], found=[BOX], found_labels=[2], scores=[0.7]),
    ]
    evidence = make_evidence(images, ['rust', 'chip', 'dent'], 100)
    assert evidence['operating']['threshold'] == pytest.approx(0.75, abs=0.051)
    rust, chip, dent = evidence['per_class']
    assert (rust['precision'], rust['recall'], rust['f1']) == (
        1,
        pytest.approx(1 / 3, abs=1e-6),
        0.5,
    )
    assert (rust['boxes'], rust['images'], rust['share_of_boxes'], rust['mean_iou']) == (
        3,
        2,
        0.75,
        1,
    )
    assert rust['efficiency'] == pytest.approx(rust['AP'] / 0.75, abs=1e-5)
    assert chip['mean_iou'] == 0.5 and chip['efficiency'] == pytest.approx(chip['AP'] * 4, abs=1e-5)
    assert dent == {
        'name': 'dent', 'boxes': 0, 'images': 0, 'AP': None, 'AP50': None, 'AP75': None,
        'AR': None, 'precision': None, 'recall': None, 'f1': None, 'mean_iou': None,
        'share_of_boxes': 0, 'efficiency': None,
    }  # fmt: skip
    assert evidence['iou_histogram']['mean_iou'] == 0.75
    assert evidence['recall_by_size']['edges'] == [0, 8, 16, 32, 64, 96, 128, 256, None]
    assert [row[1] for row in evidence['recall_by_size']['boxes']] == [3, 1, 0]
    assert [row[1] for row in evidence['recall_by_size']['found']] == [1, 1, 0]
    assert evidence['error_types']['missed']['counts'] == [2, 0, 0]
    assert evidence['error_types']['missed']['dAP50_per_class'][2] is None


def test_operating_point_without_good_images_or_boxes(image_result):
    only_bad = make_evidence([image_result([BOX], [0], [BOX], [0], [0.9])], ['rust'], 100)
    assert only_bad['operating']['specificity'] is None
    assert only_bad['operating']['false_alarms_per_good_image'] is None
    assert only_bad['operating']['prevalence'] == 1
    only_good = make_evidence([image_result()] * 2, ['rust'], 100)
    assert only_good['operating'] == {
        'threshold': 0.5, 'precision': None, 'recall': None, 'f1': None, 'specificity': 1,
        'prevalence': 0, 'false_alarms_per_good_image': 0,
    }  # fmt: skip
    assert only_good['error_types']['missed']['dAP50'] is None
    json.dumps([only_bad, only_good, make_evidence([], ['rust'], 100)], allow_nan=False)


def test_rows_fall_by_score_and_keep_the_limit(image_result):
    scores = [0.2, 0.9, 0.50001, 0.50002, 0.009]
    image = image_result([BOX], [0], [BOX] * 5, [0, 1, 0, 1, 0], scores, [True])
    (rows,) = make_evidence([image], ['rust', 'chip'], 2)['images']
    assert rows['ground_truth'] == [[0, 0, 10, 10, 0, 1]]
    assert [row[4:] for row in rows['detections']] == [[1, 0.9], [1, 0.5], [0, 0.5], [0, 0.2]]
    assert type(rows['detections'][0][4]) is int


def test_only_the_first_images_are_listed(image_result):
    images = [image_result([BOX], [0], [BOX], [0], [0.9])] * 3
    evidence = make_evidence(images, ['rust'], 100, evidence_images=2)
    assert len(evidence['images']) == 2 and evidence['images_total'] == 3
    assert np.sum(evidence['score_table']['truth']) == 3
    assert make_evidence(images, ['rust'], 100, evidence_images=0)['images'] == []
