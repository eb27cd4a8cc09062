from __future__ import annotations

import json
import math
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.errors import InputError
from mmdefect.evaluation import DefectMetric
from mmdefect.report.evaluation import load_evaluation
from mmdefect.structures import EVALUATION_FORMAT

PIPELINE = [
    {'type': 'mmdefect.LoadImage'},
    {'type': 'Resize', 'scale': (96, 96), 'keep_ratio': True},
    {'type': 'LoadAnnotations', 'with_bbox': True},
    {'type': 'mmdefect.PackInputs'},
]


def predictions(boxes=(), labels=(), scores=()):
    return {
        'bboxes': torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        'labels': torch.tensor(labels, dtype=torch.int64),
        'scores': torch.tensor(scores, dtype=torch.float32),
    }


def sample(**keys):
    return {
        'instances': [{'bbox': [1.0, 2.0, 9.0, 8.0], 'bbox_label': 0, 'ignore_flag': 0}],
        'img_path': 'a.png',
        'ori_shape': (20, 30),
        'pred_instances': predictions([[1, 2, 9, 8]], [0], [0.9]),
        **keys,
    }


def metric_of(samples, classes=('chip', 'rust'), **arguments):
    metric = DefectMetric(**arguments)
    metric.dataset_meta = {'classes': classes}
    metric.process({}, samples)
    return metric, metric.evaluate(len(samples))


def test_metric_names_and_values():
    _, metrics = metric_of([sample()])
    assert list(metrics) == [
        'mmdefect/AP', 'mmdefect/AP50', 'mmdefect/AP75', 'mmdefect/AR',
        'mmdefect/precision', 'mmdefect/recall', 'mmdefect/F1', 'mmdefect/mean_IoU',
        'mmdefect/false_alarms_per_good_image',
        'mmdefect/AP/chip', 'mmdefect/AP50/chip', 'mmdefect/precision/chip',
        'mmdefect/recall/chip', 'mmdefect/F1/chip',
        'mmdefect/AP/rust', 'mmdefect/AP50/rust', 'mmdefect/precision/rust',
        'mmdefect/recall/rust', 'mmdefect/F1/rust',
    ]  # fmt: skip
    assert metrics['mmdefect/AP'] == pytest.approx(1)
    assert math.isnan(metrics['mmdefect/AP50/rust'])


def test_ignored_boxes_are_neither_counted_nor_missed():
    crowd = {'bbox': [12.0, 2.0, 19.0, 8.0], 'bbox_label': 0, 'ignore_flag': 1}
    metric, metrics = metric_of([sample(instances=[*sample()['instances'], crowd])])
    assert metrics['mmdefect/AR'] == pytest.approx(1)
    assert metric.evidence['per_class'][0]['boxes'] == 1
    assert [row[5] for row in metric.evidence['images'][0]['ground_truth']] == [0, 1]


@pytest.mark.parametrize('key', ['instances', 'img_path', 'ori_shape'])
def test_missing_meta_key_is_named(key):
    incomplete = sample()
    del incomplete[key]
    with pytest.raises(InputError, match=rf"'{key}' does not reach the metric; .*PackInputs"):
        DefectMetric().process({}, [incomplete])


@pytest.mark.parametrize('name', ['bboxes', 'scores'])
@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_detection_that_is_not_finite(name, value):
    bad = sample()
    bad['pred_instances'][name].view(-1)[0] = value
    with pytest.raises(ValueError, match=r'a\.png: a detection is not finite; .*learning rate'):
        DefectMetric().process({}, [bad])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'max_det': 5}, "unknown key 'max_det'; did you mean 'max_dets'?"),
        ({'evidence': 5}, "unknown key 'evidence'; did you mean 'evidence_images'?"),
        ({'max_dets': 0}, 'max_dets must be at least 1, got 0'),
        ({'evidence_images': -1}, 'evidence_images must be 0 or more, got -1'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        DefectMetric(**arguments)


def test_classes_are_needed():
    metric = DefectMetric()
    metric.process({}, [sample()])
    with pytest.raises(InputError, match='no class names'):
        metric.evaluate(1)


@pytest.mark.parametrize(
    'samples',
    [
        [sample()],
        [sample(instances=[])],
        [sample(pred_instances=predictions())],
        [sample(instances=[], pred_instances=predictions())],
        [sample(), sample(img_path='b.png', instances=[])],
    ],
    ids=['ordinary', 'empty truth', 'empty predictions', 'nothing', 'with a good image'],
)
def test_evidence_is_json_that_the_report_reads(samples, tmp_path):
    metric, _ = metric_of(samples)
    record = {'format': EVALUATION_FORMAT, **metric.evidence}
    (tmp_path / 'evaluation.json').write_text(json.dumps(record, allow_nan=False))
    evaluation = load_evaluation(tmp_path)
    assert evaluation.images_total == len(samples)
    assert evaluation.images_good == sum(not item['instances'] for item in samples)
    assert len(metric.evidence['pr_curves'][0]['precision']) == 101


def test_evidence_leaves_out_weak_detections_and_surplus_images():
    weak = predictions([[1, 2, 9, 8], [0, 0, 5, 5]], [0, 1], [0.9, 0.009])
    metric, _ = metric_of([sample(pred_instances=weak)] * 3, evidence_images=2)
    images = metric.evidence['images']
    assert [len(image['detections']) for image in images] == [1, 1]
    assert metric.evidence['images_total'] == 3


@pytest.mark.parametrize('classes', [('chip', 'rust'), ('rust', 'chip')])
def test_ids_from_zero_through_dataset_and_metric_score_one(tiny_coco, classes):
    """Category, annotation and image ids begin at 0, classes in either order."""
    init_default_scope('mmdet')
    reader = {'type': 'mmdefect.COCOReader', 'ann_file': str(tiny_coco / 'val.json')}
    dataset = DATASETS.build(
        {
            'type': 'mmdefect.DefectDataset', 'reader': reader, 'pipeline': PIPELINE,
            'metainfo': {'classes': classes}, 'test_mode': True,
        }
    )  # fmt: skip
    metric = DefectMetric()
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        packed = dataset[index]['data_samples']
        truth = packed.gt_instances
        # Annotations are loaded after resizing, so these boxes are in the image's own frame.
        boxes = truth.bboxes.tensor.tolist()
        scores = np.linspace(0.9, 0.5, len(truth))
        found = predictions(boxes, truth.labels.tolist(), scores.tolist())
        metric.process({}, [{**packed.to_dict(), 'pred_instances': found}])
    metrics = metric.evaluate(len(dataset))
    assert metrics['mmdefect/AP'] == pytest.approx(1, abs=1e-6)
    assert metrics['mmdefect/AP/chip'] == pytest.approx(1, abs=1e-6)
    assert metric.evidence['images_total'] == 8
    assert metric.evidence['score_table']['images_good'] == 2
    assert [entry['boxes'] for entry in metric.evidence['per_class']] == [6, 6]


def test_results_survive_the_way_between_ranks():
    """Ranks pickle what they hold; arrays and order come back."""
    metric = DefectMetric()
    metric.dataset_meta = {'classes': ('chip', 'rust')}
    metric.process({}, [sample(), sample(img_path='b.png', instances=[])])
    direct = metric.compute_metrics(metric.results)
    metric.results = pickle.loads(pickle.dumps(metric.results))
    again = metric.compute_metrics(metric.results)
    assert direct == pytest.approx(again, nan_ok=True)
    assert [image['path'] for image in metric.evidence['images']] == ['a.png', 'b.png']


_RANK = """
import sys, torch, torch.distributed as dist
import mmdefect.registry
from mmdefect.evaluation import DefectMetric
rank = int(sys.argv[1])
dist.init_process_group('gloo', init_method='file://' + sys.argv[2], rank=rank, world_size=2)
metric = DefectMetric()
metric.dataset_meta = {'classes': ('chip',)}
# Four images of two boxes each; image k finds its box with score k / 10, rank 1 has the odd ones.
for number in range(rank, 4, 2):
    box = torch.tensor([[1., 2., 9., 8.]])
    metric.process({}, [{
        'instances': [{'bbox': box[0].tolist(), 'bbox_label': 0},
                      {'bbox': [12., 2., 19., 8.], 'bbox_label': 0}],
        'img_path': f'{number}.png', 'ori_shape': (20, 30),
        'pred_instances': {'bboxes': box, 'labels': torch.zeros(1, dtype=torch.long),
                           'scores': torch.tensor([number / 10 + .5])}}])
results = metric.evaluate(4)
paths = metric.evidence and [image['path'] for image in metric.evidence['images']]
print(rank, results['mmdefect/recall'], f"{results['mmdefect/AP50']:.6f}", paths)
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_ranks(tmp_path):
    command = [sys.executable, '-c', _RANK]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / 'meet')], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=300)[0].splitlines()[-1] for process in ranks]
    assert said[0] == f'0 0.5 {51 / 101:.6f} {[f"{number}.png" for number in range(4)]}'
    assert said[1] == f'1 0.5 {51 / 101:.6f} None'
