from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import METRICS
from scipy.special import expit, logit

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.errors import InputError
from mmdefect.evaluation import CalibrationMetric


def samples(images, boxes, sharpness=1.0, labels=(0,), seed=0):
    """Boxes found with scores that are right so often as they say, but for the sharpness."""
    generator = np.random.default_rng(seed)
    made = []
    for index in range(images):
        place = np.arange(boxes)[:, None] * [20, 0, 20, 0] + [0, 0, 10, 10]
        scores = generator.uniform(0.06, 0.99, boxes)
        right = generator.random(boxes) < scores
        instances = [
            {'bbox': box.tolist(), 'bbox_label': labels[0], 'ignore_flag': 0}
            for box in place[right]
        ]
        made.append(
            {
                'instances': instances,
                'img_path': f'{index}.png',
                'ori_shape': (20, 20 * boxes),
                'pred_instances': {
                    'bboxes': torch.tensor(place, dtype=torch.float32),
                    'labels': torch.full((boxes,), labels[-1]),
                    'scores': torch.tensor(expit(logit(scores) * sharpness)),
                },
            }
        )
    return made


def measure(made, **options):
    metric = CalibrationMetric(**options)
    metric.dataset_meta = {'classes': ('object', 'other')}
    metric.process({}, made)
    found = metric.evaluate(len(made))
    assert list(found) == [f'calibration/{n}' for n in ('ECE', 'ECE_scaled', 'temperature')]
    return tuple(found.values())


@pytest.mark.parametrize('sharpness', [0.5, 1.0, 3.0])
def test_the_temperature_of_made_up_scores_is_found(sharpness):
    before, after, temperature = measure(samples(60, 40, sharpness))
    assert temperature == pytest.approx(sharpness, rel=0.15)
    assert after < 0.05
    assert before < 0.05 if sharpness == 1 else before > 2 * after
    # It is what a head with this temperature would give.
    changed = samples(60, 40, sharpness / temperature)
    assert measure(changed)[0] == pytest.approx(after, abs=1e-2)


@pytest.mark.parametrize(
    'made',
    [
        samples(0, 1), samples(1, 30), samples(2, 0), samples(6, 9, labels=(0, 1)),
        samples(6, 9, sharpness=1e9),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_nan(made):
    """No image, one image, no detection, nothing right; scores of 0 and 1 can."""
    if not made:
        metric = CalibrationMetric()
        assert all(math.isnan(value) for value in metric.compute_metrics([]).values())
        return
    before, after, temperature = measure(made)
    assert math.isnan(after) is math.isnan(temperature)
    if len(made) == 6 and made[0]['pred_instances']['labels'][0] == 1:
        assert before > 0.3 and math.isnan(temperature)


@pytest.mark.parametrize(
    ('made', 'words'),
    [
        (samples(2, 0), 'no detection from score 0.05 on: nothing to calibrate yet'),
        (samples(1, 30), 'right: all of them on one half of the parts, too few to calibrate'),
        (samples(6, 9, labels=(0, 1)), '0 of them right: expected calibration error 0.'),
        (samples(6, 9), ' times the temperature, fitted on every other part'),
    ],
)
def test_the_log_never_says_nan(made, words, monkeypatch):
    said = []
    logger = SimpleNamespace(info=said.append)
    monkeypatch.setattr(MMLogger, 'get_current_instance', lambda: logger)
    measure(made)
    (line,) = said
    assert words in line and 'nan' not in line


def test_views_of_a_part_stay_together():
    made = samples(40, 20)
    for index, sample in enumerate(made):
        # Two photos of each part, one after the other, as sample data write them.
        sample['part_id'] = f'part {index // 2:02d}'
    measured = [sample for index, sample in enumerate(made) if index // 2 % 2]
    without = measure(made)
    for sample in measured:
        sample['pred_instances']['scores'] = 0.5 * sample['pred_instances']['scores']
    changed = measure(made)
    assert changed[2] == without[2] and changed[0] > without[0] + 0.1


def test_low_scores_and_ignored_boxes_are_left_out():
    made = samples(20, 20)
    low = [dict(sample) for sample in made]
    for sample in low:
        found = sample['pred_instances']
        boxes = torch.tensor([[0.0, 15, 5, 20]] * 50)
        sample['pred_instances'] = {
            'bboxes': torch.cat([found['bboxes'], boxes]),
            'labels': torch.cat([found['labels'], torch.zeros(50, dtype=torch.int64)]),
            'scores': torch.cat([found['scores'], torch.full((50,), 0.01)]),
        }
    assert measure(low) == measure(made) != measure(low, min_score=0)
    for sample in made:
        sample['instances'] = [{**box, 'ignore_flag': 1} for box in sample['instances']]
    assert all(found != found for found in measure(made)[1:])


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(min_score=-0.1), 'min_score must be 0 to 1, got -0.1'),
        (dict(min_score=float('nan')), 'min_score must be'),
        (dict(max_dets=0), 'max_dets must be at least 1, got 0'),
        (dict(min_scores=0.1), "unknown key 'min_scores'; did you mean 'min_score'"),
    ],
)
def test_bad_keys(options, words):
    with pytest.raises(InputError, match=words):
        METRICS.build(dict(type='mmdefect.CalibrationMetric', **options))
