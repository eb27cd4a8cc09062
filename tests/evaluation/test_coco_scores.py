from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmdefect.evaluation import score_detections


def reference(images, classes, max_dets):
    """AP, AP50, AP75 and AR per class by pycocotools, each shape (C,)."""
    truth = {
        'images': [{'id': i, 'width': x.width, 'height': x.height} for i, x in enumerate(images)],
        'categories': [{'id': c + 1, 'name': str(c)} for c in range(classes)],
        'annotations': [],
    }
    found = []
    for i, image in enumerate(images):
        for box, label, ignored in zip(
            image.gt_boxes.tolist(), image.gt_labels.tolist(), image.gt_ignored, strict=True
        ):
            w, h = box[2] - box[0], box[3] - box[1]
            truth['annotations'].append(
                {
                    'id': len(truth['annotations']) + 1, 'image_id': i, 'category_id': label + 1,
                    'bbox': [box[0], box[1], w, h], 'area': w * h, 'iscrowd': int(ignored),
                }
            )  # fmt: skip
        for box, label, score in zip(
            image.boxes.tolist(), image.labels.tolist(), image.scores.tolist(), strict=True
        ):
            found.append(
                {
                    'image_id': i, 'category_id': label + 1, 'score': score,
                    'bbox': [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                }
            )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        results = coco.loadRes(found) if found else COCO()
        if not found:
            results.dataset = {**truth, 'annotations': []}
            results.createIndex()
        evaluator = COCOeval(coco, results, 'bbox')
        evaluator.params.maxDets = [max_dets]
        evaluator.params.areaRng = [[0, 1e10]]
        evaluator.params.areaRngLbl = ['all']
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval['precision'][..., 0, 0]
    recall = evaluator.eval['recall'][..., 0, 0]
    precision = np.where(precision < 0, np.nan, precision)
    recall = np.where(recall < 0, np.nan, recall)
    return {
        'ap': precision.mean(axis=(0, 1)),
        'ap50': precision[0].mean(axis=0),
        'ap75': precision[5].mean(axis=0),
        'ar': recall.mean(axis=0),
        'precision': precision[0].T,
    }


CASES = {
    'ordinary': {},
    'no crowd': {'crowd': 0.0},
    'only crowd': {'crowd': 1.1},
    'one image': {'images': 1, 'most_boxes': 8},
    'one class': {'classes': 1},
    'many detections': {'images': 2, 'most_boxes': 40, 'clutter': 400},
    'rare classes': {'classes': 12, 'images': 3, 'most_boxes': 2},
    'no boxes': {'most_boxes': 0},
}


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('max_dets', [1, 10, 100])
@pytest.mark.parametrize('case', CASES)
def test_equals_pycocotools(random_images, case, max_dets, seed):
    images = random_images(seed, **CASES[case])
    classes = CASES[case].get('classes', 3)
    scores = score_detections(images, classes, max_dets)
    expected = reference(images, classes, max_dets)
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(scores, name), values, atol=1e-6, err_msg=name)
    summary = scores.summary()
    with np.errstate(invalid='ignore'):
        known = expected['ap'][~np.isnan(expected['ap'])]
    if len(known):
        assert summary['AP'] == pytest.approx(known.mean(), abs=1e-6)
    else:
        assert all(np.isnan(value) for value in summary.values())


def test_perfect_detections_of_the_first_class_and_annotation_score_one(image_result):
    box = [[3, 4, 20, 30]]
    scores = score_detections([image_result(box, [0], box, [0], [0.9])], 1)
    assert scores.summary() == pytest.approx({'AP': 1, 'AP50': 1, 'AP75': 1, 'AR': 1})


def test_one_pixel_box(image_result):
    box = [[3, 4, 4, 5]]
    assert score_detections([image_result(box, [0], box, [0], [0.5])], 1).ap[0] == pytest.approx(1)


def test_empty_predictions_score_zero_and_a_class_without_boxes_is_nan(image_result):
    scores = score_detections([image_result([[3, 4, 20, 30]], [1])], 2)
    np.testing.assert_array_equal(scores.ap, [np.nan, 0])
    np.testing.assert_array_equal(scores.ar, [np.nan, 0])
    assert scores.summary()['AP'] == 0


@pytest.mark.parametrize('count', [0, 1])
def test_nothing_at_all_is_nan(image_result, count):
    scores = score_detections([image_result()] * count, 2)
    assert scores.precision.shape == (2, 101)
    assert all(np.isnan(value) for value in scores.summary().values())


def test_a_false_alarm_on_a_clean_image_lowers_precision(image_result):
    box = [[3, 4, 20, 30]]
    hit = image_result(box, [0], box, [0], [0.5])
    assert score_detections([hit, image_result()], 1).ap50[0] == pytest.approx(1)
    alarm = image_result(found=box, found_labels=[0], scores=[0.9])
    assert score_detections([hit, alarm], 1).ap50[0] == pytest.approx(0.5)


def test_max_dets_limits_each_image(image_result):
    truth = [[10 * i, 0, 10 * i + 8, 8] for i in range(4)]
    image = image_result(truth, [0] * 4, truth, [0] * 4, [0.9, 0.8, 0.7, 0.6])
    assert score_detections([image], 1, max_dets=2).ar[0] == pytest.approx(0.5)
    assert score_detections([image], 1, max_dets=4).ar[0] == pytest.approx(1)


def test_curve_gives_the_score_that_reaches_the_recall(image_result):
    truth = [[10 * i, 0, 10 * i + 8, 8] for i in range(4)]
    found = [truth[0], [0, 30, 9, 39], truth[1]]
    scores = score_detections([image_result(truth, [0] * 4, found, [0] * 3, [0.9, 0.8, 0.7])], 1)
    # One of four found: recall .25 at precision 1; two of four: recall .5 at precision 2 / 3.
    assert scores.recall_points[[0, 25, 26, 50, 51]] == pytest.approx([0, 0.25, 0.26, 0.5, 0.51])
    at = scores.precision[0, [0, 25, 26, 50, 51]]
    np.testing.assert_allclose(at, [1, 1, 2 / 3, 2 / 3, 0])
    np.testing.assert_allclose(
        scores.score[0, [0, 25, 26, 50, 51]], [0.9, 0.9, 0.7, 0.7, np.nan], atol=1e-6
    )


@pytest.mark.parametrize('arguments', [{'num_classes': 0}, {'num_classes': 1, 'max_dets': 0}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match='must be at least 1, got 0'):
        score_detections([], **arguments)
