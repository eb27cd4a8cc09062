"""Whole dry runs of tiny detectors, right and wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.check import check_config
from mmdefect.engine.config_file import read_config
from mmdefect.errors import InputError

SLOW = pytest.mark.slow


def check(path, iterations=2):
    return check_config(read_config(path), iterations)


def texts(findings):
    return [str(finding) for finding in findings]


@pytest.fixture(scope='module')
def good(make_detector, tmp_path_factory):
    path = make_detector('retinanet')
    return path, check(path, iterations=3)


def test_nothing_is_wrong_with_a_good_config(good):
    path, report = good
    assert report.passed and report.failure is None, (report.failure, texts(report.findings))
    assert report.findings == [] and report.not_judged == []
    assert report.config == str(path)


def test_data_are_counted_and_followed_to_the_model(good):
    flows = {flow.name: flow for flow in good[1].flows}
    # val and test are the same files.
    assert list(flows) == ['train', 'val']
    for flow in flows.values():
        assert (flow.images, flow.good, flow.images_before, flow.good_before) == (8, 2, 8, 2)
        assert flow.boxes == {'chip': 6, 'rust': 6} and flow.densest == 2
        assert (flow.good_tried, flow.good_arrived) == (2, 2)
        assert (flow.marked_tried, flow.marked_arrived) == (6, 6)
        assert (flow.boxes_tried, flow.boxes_arrived) == (12, 12)
        assert flow.seconds_per_image > 0


def test_inputs_losses_times_and_memory(good):
    report = good[1]
    shapes = {(item.branch, item.shape, item.dtype) for item in report.inputs}
    assert shapes == {
        ('', (2, 3, 64, 64), 'float32'), ('validation', (2, 3, 64, 64), 'float32'),
    }  # fmt: skip
    assert len(report.iterations) == 3
    assert all(item.losses.keys() >= {'loss', 'loss_cls'} for item in report.iterations)
    assert all(np.isfinite(list(item.losses.values())).all() for item in report.iterations)
    assert report.time.batches == 4 and report.time.epoch_seconds > 0
    assert report.time.total_seconds == pytest.approx(report.time.epoch_seconds)
    assert report.validation_seconds > 0 and report.validation_batches == 4
    assert report.peak_bytes is None or report.peak_bytes > 10**8
    assert report.parameters > 1000


def test_positives_of_anchors(good):
    (head,) = good[1].positives
    assert head.kind == 'dense' and head.name == 'bbox_head'
    assert head.levels == ['stride 8', 'stride 16', 'stride 32', 'stride 64', 'stride 128']
    # RetinaNet gives every box at least its best anchor.
    assert head.boxes.sum() > 0 and head.missed.sum() == 0
    assert (head.positives.sum(axis=1) >= head.boxes).all()


def test_the_report_is_json(good):
    report = json.loads(json.dumps(good[1].to_dict(), allow_nan=False))
    assert report['passed'] is True and len(report['iterations']) == 3
    assert report['data'][0]['good'] == 2


@pytest.mark.parametrize(
    'kind', ['rtmdet', 'faster_rcnn', 'semi', pytest.param('atss', marks=SLOW),
             pytest.param('fcos', marks=SLOW)],
)  # fmt: skip
def test_other_detectors(make_detector, kind):
    report = check(make_detector(kind))
    assert report.failure is None, report.failure
    unread = [text for text in texts(report.findings) if 'nothing reads' in text]
    assert unread == []
    assert len(report.iterations) == 2
    kinds = {head.name: head.kind for head in report.positives}
    expected = {
        'rtmdet': {'bbox_head': 'dense'},
        'atss': {'bbox_head': 'dense'},
        'fcos': {'bbox_head': 'dense'},
        'faster_rcnn': {'rpn_head': 'dense', 'roi_head': 'roi'},
        'semi': {'student.rpn_head': 'dense', 'student.roi_head': 'roi'},
    }[kind]
    assert kinds == expected
    dense = report.positives[0]
    # Classes of the data, also where the head knows objects only.
    assert dense.boxes.sum() > 0 and dense.positives.sum() > 0
    assert len(dense.levels) == (3 if kind == 'rtmdet' else 5)
    assert (dense.missed is None) == (kind == 'fcos')
    if kind == 'semi':
        assert {item.branch for item in report.inputs} == {
            'sup', 'unsup_teacher', 'unsup_student', 'validation',
        }  # fmt: skip
        labelled, unlabelled = report.flows[:2]
        assert labelled.labelled and not unlabelled.labelled
        assert dense.boxes.sum() <= 2 * 2  # two labelled images, pseudo boxes not counted
        assert any('skip_buffer=False' in text for text in texts(report.problems))
        assert report.time.batches is None
    else:
        assert report.passed, texts(report.problems)


# What is appended to a right config -> part of the problem, or of the failure.
WRONG = {
    'unread key': (
        "model['test_cfg'] = dict(max_per_image=100)",
        "model.test_cfg.max_per_image: nothing reads this key; did you mean 'max_per_img'?",
    ),
    'unread train key': (
        "model['train_cfg'] = dict(alowed_border=0)",
        "model.train_cfg.alowed_border: nothing reads this key; did you mean 'allowed_border'?",
    ),
    'misspelt root': (
        'custom_hook = []',
        "custom_hook: nothing reads this key; did you mean 'custom_hooks'?",
    ),
    'filter': (
        "train_dataloader['dataset']['filter_cfg'] = dict(filter_empty_gt=True)",
        'train filter_cfg: 2 of 2 good images are dropped',
    ),
    'dropping step': (
        "train_dataloader['dataset']['pipeline'] = load + boxes + resize + ["
        "dict(type='RandomCrop', crop_size=(32, 32))] + pack",
        'RandomCrop returned no sample',
    ),
    'frozen': (
        "model['backbone'].update(frozen_stages=1)",
        'backbone weights are frozen, but no weights are loaded',
    ),
    'norm_eval': (
        "model['backbone'].update(norm_eval=True)",
        'model.backbone.norm_eval: BatchNorm keeps the statistics',
    ),
    'too few detections': (
        "model['test_cfg'] = dict(max_per_img=1)",
        'has 2 boxes, 1 are returned; raise it',
    ),
    'anchors too large': (
        "model['bbox_head'].update(anchor_generator=dict(octave_base_scale=16))\n"
        "model['train_cfg'] = dict(assigner=dict(min_pos_iou=0.5))",
        'boxes of class chip got a positive',
    ),
    'not finite': (
        "model['data_preprocessor'] = dict(std=[0., 0., 0.])",
        'iteration 1: loss, loss_cls, loss_bbox not finite',
    ),
}
FAILS = {
    'classes': (
        "model['bbox_head'].update(num_classes=3)",
        ('building the model', 'num_classes is 3, but the data set has 2 classes', ''),
    ),
    'file': (
        "train_dataloader['dataset']['reader'] = dict(ann_file='none.json')",
        ('reading the train data', 'none.json: annotation file is missing', ''),
    ),
    'validation file': (
        "val_dataloader['dataset']['reader'] = dict(ann_file='none.json')",
        ('reading the val data', 'none.json', ''),
    ),
    'channels': (
        "model['backbone'].update(in_channels=1)",
        ('training iteration 1', 'expected input', 'channels=1'),
    ),
    'head channels': (
        "model['bbox_head'].update(in_channels=32)",
        ('training iteration 1', 'expected input', 'set in_channels'),
    ),
    'type': (
        "model['neck'].update(type='FPNN')",
        ('building the model', 'FPNN is not in the', "did you mean"),
    ),
    'key': (
        "model['neck'].update(num_out=5)",
        ('building the model', "unexpected keyword argument 'num_out'", "'num_outs'"),
    ),
    'weights': (
        "load_from = 'none.pth'",
        ('loading weights', 'none.pth', 'give an existing file in load_from'),
    ),
    'optimiser': (
        "optim_wrapper = dict(optimizer=dict(type='AdamWW'))",
        ('building the optimiser', 'None is not a callable', 'optim_wrapper.optimizer.type'),
    ),
    'schedule': (
        "param_scheduler = [dict(type='LinearLR', start_factr=.1)]",
        ('building the schedule', 'start_factr', "'start_factor'"),
    ),
    'persistent workers': (
        "train_dataloader.update(persistent_workers=True)",
        ('reading the train data', 'persistent_workers option needs', 'persistent_workers=False'),
    ),
    'metric': (
        "val_evaluator = dict(_delete_=True, type='CocoMetric', ann_file='none.json')",
        ('building the validation loop', 'none.json', 'is missing'),
    ),
    'hanging sampler': (
        "train_dataloader['dataset'] = dict(_delete_=True, type='ConcatDataset', datasets=["
        "dict(type='mmdefect.DefectDataset', reader=dict(type='mmdefect.COCOReader',"
        "ann_file=data + '/train.json'), pipeline=load + boxes + resize + pack)] * 2)\n"
        "train_dataloader['sampler'] = dict("
        "_delete_=True, type='MultiSourceSampler', batch_size=2, source_ratio=[4, 1])\n"
        "train_dataloader['batch_sampler'] = None",
        ('reading the train data', 'upstream never returns where one is 0', ''),
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', WRONG)
def test_problems(make_detector, name):
    extra, expected = WRONG[name]
    report = check(make_detector('retinanet', f'\n{extra}\n'))
    everything = [*texts(report.problems), str(report.failure)]
    assert any(expected in text for text in everything), everything
    assert not report.passed


@pytest.mark.parametrize('name', FAILS)
def test_failures(make_detector, name):
    extra, (stage, message, cure) = FAILS[name]
    report = check(make_detector('retinanet', f'\n{extra}\n'))
    failure = report.failure
    assert failure is not None
    assert stage in failure.stage and message in failure.message and cure in failure.cure, failure
    assert '\n' not in str(failure) and not report.passed and report.not_judged


def test_loader_processes_are_used_and_stopped(make_detector):
    import multiprocessing

    extra = '\ntrain_dataloader.update(num_workers=1, persistent_workers=True)\n'
    report = check(make_detector('retinanet', extra))
    assert report.passed, (report.failure, texts(report.findings))
    for child in multiprocessing.active_children():
        child.join(5)
    assert not multiprocessing.active_children()


def test_nothing_is_written_and_the_config_stays(make_detector, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = make_detector('retinanet')
    config = read_config(path)
    before, file_before = config.pretty_text, path.read_bytes()
    files = set(path.parent.rglob('*'))
    report = check_config(config)
    assert report.passed
    assert not list(tmp_path.iterdir()) and set(path.parent.rglob('*')) == files
    assert config.pretty_text == before and path.read_bytes() == file_before


def test_stops_where_an_epoch_has_fewer_iterations(make_detector):
    extra = "\ntrain_dataloader['dataset']['indices'] = 2\n"
    report = check(make_detector('retinanet', extra), iterations=3)
    assert report.failure is None and len(report.iterations) == 1
    assert report.flows[0].images == 2


def test_a_bit_depth_that_nobody_stated(make_detector, write_coco, tmp_path):
    import cv2

    write_coco(tmp_path)
    for path in (tmp_path / 'images').glob('*.png'):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 16
        cv2.imwrite(str(path), grey)
    data = f"\ntrain_dataloader['dataset']['reader'] = dict(ann_file='{tmp_path}/train.json')\n"
    report = check(make_detector('retinanet', data))
    (problem,) = report.problems
    assert 'bit_depth=16 the images are 16 times too dark; set bit_depth=12' in str(problem)


def test_coco_dataset_with_classes_in_another_order(make_detector, tiny_coco, tmp_path):
    content = json.loads(Path(tiny_coco / 'train.json').read_text())
    for entry in content['annotations']:
        entry['area'] = entry['bbox'][2] * entry['bbox'][3]
    (tmp_path / 'train.json').write_text(json.dumps(content))
    extra = f"""
train_dataloader['dataset'] = dict(
    _delete_=True, type='CocoDataset', ann_file='{tmp_path}/train.json',
    data_prefix=dict(img='{tiny_coco}/'), metainfo=dict(classes=('rust', 'chip')),
    filter_cfg=dict(filter_empty_gt=True), pipeline=load + boxes + resize + pack)
"""
    report = check(make_detector('retinanet', extra))
    problems = texts(report.problems)
    assert any('labels follow that order, not yours' in text for text in problems)
    assert any('2 of 2 good images are dropped' in text for text in problems)
    assert report.flows[0].images == 6 and report.flows[0].images_before == 8


def test_mosaics(make_detector):
    extra = """
inner = dict(
    type='mmdefect.DefectDataset', metainfo=dict(classes=classes),
    reader=dict(type='mmdefect.COCOReader', ann_file=data + '/train.json'),
    pipeline=load + boxes)
train_dataloader['dataset'] = dict(
    _delete_=True, type='MultiImageMixDataset', dataset=inner,
    pipeline=[
        dict(type='Mosaic', img_scale=(64, 64), pad_val=114.),
        dict(type='mmdefect.PackInputs', meta_keys=('img_shape',))])
"""
    report = check(make_detector('retinanet', extra))
    assert report.failure is None, report.failure
    assert report.flows[0].good_arrived == 2 and report.flows[0].boxes_arrived == 12
    assert report.inputs[0].shape == (2, 3, 128, 128)


def test_bad_requests(make_detector):
    config = read_config(make_detector('retinanet'))
    with pytest.raises(InputError, match='iterations must be 1 or more, got 0'):
        check_config(config, 0)
