"""Anchors read from configs, MMDetection's own included."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS
from mmengine.config import Config

import mmdefect  # noqa: F401
from mmdefect.engine.anchors.head_anchors import read_head_anchors
from mmdefect.engine.anchors.proposal import config_fragment, generator_keys
from mmdefect.errors import InputError
from mmdefect.evaluation.anchors import FittedShapes


def upstream(name):
    from mmengine.hub import get_config

    return get_config(f'mmdet::{name}')


@pytest.mark.parametrize(
    ('name', 'path', 'anchors', 'positive', 'negative'),
    [
        ('retinanet/retinanet_r50_fpn_1x_coco.py', 'bbox_head', [9] * 5, 0.5, 0.4),
        ('faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 'rpn_head', [3] * 5, 0.7, 0.3),
        ('ssd/ssd300_coco.py', 'bbox_head', [4, 6, 6, 6, 4, 4], 0.5, 0.5),
        ('yolo/yolov3_d53_8xb8-320-273e_coco.py', 'bbox_head', [3] * 3, 0.5, 0.5),
        ('atss/atss_r50_fpn_1x_coco.py', 'bbox_head', [1] * 5, 0.5, 0.4),
    ],
)
def test_stock_configs(name, path, anchors, positive, negative):
    config = upstream(name)
    found = read_head_anchors(config, name)
    head = config.model[path]
    key = 'anchor_generator'
    assert found.path == f'model.{path}.{key}'
    generator = TASK_UTILS.build(head[key])
    assert found.anchors.per_location == anchors == generator.num_base_priors
    assert (found.positive, found.negative) == (positive, negative)
    assert bool(found.note) == ('atss' in name)
    # The form that is fitted stands on the same places.
    again = TASK_UTILS.build(
        dict(
            type='mmdefect.DefectAnchorGenerator',
            **generator_keys(found.form, FittedShapes([0.5, 1], [1.5])),
        )
    )
    shapes = [(3, 4)] * len(anchors)
    for ours, theirs in zip(
        again.grid_priors(shapes, device='cpu'),
        generator.grid_priors(shapes, device='cpu'),
        strict=True,
    ):
        middles = [(level[:, :2] + level[:, 2:]).numpy() / 2 for level in (ours, theirs)]
        np.testing.assert_allclose(*(np.unique(one.round(2), axis=0) for one in middles), atol=0.02)
    if found.shapes is not None:
        rebuilt = found.form.anchors(found.shapes.ratios, found.shapes.scales)
        ours, theirs = (np.sort(one.sizes, axis=0) for one in (rebuilt, found.anchors))
        np.testing.assert_allclose(ours, theirs, rtol=2e-3)


def test_nested_detector_and_our_generator():
    anchors = dict(
        type='mmdefect.DefectAnchorGenerator', strides=[8], ratios=[0.5], ratio_order='w/h',
        scales=[4],
    )  # fmt: skip
    detector = dict(
        rpn_head=dict(anchor_generator=anchors),
        train_cfg=dict(
            rpn=dict(assigner=dict(pos_iou_thr=0.6, neg_iou_thr=(0.1, 0.2)), allowed_border=0)
        ),
    )
    found = read_head_anchors(Config(dict(model=dict(detector=detector))), 'c.py')
    assert found.path == 'model.detector.rpn_head.anchor_generator'
    assert (found.positive, found.negative, found.allowed_border) == (0.6, 0.2, 0.0)
    assert found.shapes == FittedShapes([0.5], [4.0])


def test_a_head_of_several_stages():
    found = read_head_anchors(
        upstream('cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py'), 'c.py'
    )
    assert found.path == 'model.rpn_head.stages.0.anchor_generator'
    assert found.note.startswith('RegionAssigner has no IoU threshold; .5 and .4 are taken')
    assert config_fragment(found.path, {'ratios': [1]}) is None
    # Each stage has its own rules, those of the detector's second part are not for it.
    thresholds = [dict(assigner=dict(pos_iou_thr=one, neg_iou_thr=one)) for one in (0.2, 0.6)]
    stages = [{}, model()['bbox_head']]
    for rpn, positive in ((thresholds, 0.6), (thresholds[0], 0.2)):
        detector = dict(
            rpn_head=dict(stages=stages), train_cfg=dict(rpn=rpn, rcnn=[thresholds[1]] * 2)
        )
        assert read_head_anchors(Config(dict(model=detector)), 'c.py').positive == positive


def test_what_is_not_measured_is_noted():
    rules = dict(type='mmdefect.CentreRegionAssigner', pos_iou_thr=0.3, neg_iou_thr=0.4)
    for ratio in (None, 0.5):
        train_cfg = dict(assigner=dict(rules, centre_ratio=ratio))
        config = Config(dict(model=dict(model(), train_cfg=train_cfg)))
        found = read_head_anchors(config, 'c.py')
        assert (found.positive, found.negative) == (0.3, 0.4)
        assert ('centre of an anchor in the middle of the box' in found.note) == bool(ratio)


def model(**head):
    right = dict(type='AnchorGenerator', strides=[8], ratios=[1.0], scales=[4])
    return dict(bbox_head=dict(type='RetinaHead', anchor_generator={**right, **head}))


def rules(border=-1, **thresholds):
    assigner = dict(type='MaxIoUAssigner', **{'pos_iou_thr': 0.5, 'neg_iou_thr': 0.4, **thresholds})
    return dict(model(), train_cfg=dict(assigner=assigner, allowed_border=border))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (model(ratios=[float('nan')]), 'anchor_generator: anchors cannot be used, sizes must be'),
        (model(ratios=[1.0, float('nan')]), r'finite and above 0, got \[nan, nan\]$'),
        (model(scales=[-4]), 'sizes must be finite and above 0'),
        (model(ratios=None), 'model.bbox_head.anchor_generator: cannot be used'),
        (model(scalse=[4]), 'cannot be used .*scalse'),
        (model(type='NoGenerator'), 'cannot be used .*NoGenerator'),
        (
            model(type='mmdefect.DefectAnchorGenerator'),
            "model.bbox_head.anchor_generator: .*ratio_order is missing; say 'w/h'",
        ),
        (dict(bbox_head=dict(type='FCOSHead')), 'model.bbox_head is FCOSHead, which has no anch'),
        (
            dict(
                bbox_head=dict(
                    type='YOLOXHead', prior_generator=dict(type='MlvlPointGenerator', strides=[8])
                )
            ),
            r'YOLOXHead, which has no anchors to fit but predicts from points \(MlvlPointGen',
        ),
        (dict(type='DETR'), 'no anchor generator; model is DETR'),
        (
            dict(bbox_head=dict(approx_anchor_generator=model()['bbox_head']['anchor_generator'])),
            'c.py: no anchor generator; model.bbox_head.approx_anchor_generator cannot be fitted: '
            'of a head only anchor_generator and prior_generator are read',
        ),
        (
            rules(pos_iou_thr=float('nan')),
            r'assigner.pos_iou_thr must be a number of 0 to 1, got n',
        ),
        (rules(pos_iou_thr='abc'), "c.py: model.train_cfg: assigner.pos_iou_thr must .* got 'abc'"),
        (rules(pos_iou_thr=1.5), 'assigner.pos_iou_thr must be a number of 0 to 1, got 1.5'),
        (rules(neg_iou_thr=()), r'assigner.neg_iou_thr must be a number of 0 to 1, got \(\)'),
        (rules(neg_iou_thr=(0.1, -1)), 'assigner.neg_iou_thr must be a number of 0 to 1, got -1'),
        (rules(border=None), 'c.py: model.train_cfg: allowed_border must be a number, got None'),
        (rules(border=float('inf')), 'allowed_border must be a number, got inf'),
        (
            dict(rpn_head=model()['bbox_head'], **model()),
            'c.py: 2 heads have anchors; choose one with --head: model.rpn_head, model.bbox_head',
        ),
    ],
)
def test_bad_configs(content, message):
    with pytest.raises(InputError, match=message):
        read_head_anchors(Config(dict(model=content)), 'c.py')


def test_a_head_is_chosen():
    both = Config(dict(model=dict(rpn_head=model()['bbox_head'], **model(scales=[9]))))
    found = read_head_anchors(both, 'c.py', 'model.bbox_head')
    assert found.anchors.sizes.tolist() == [[72, 72]]
    with pytest.raises(InputError, match='model.neck has no anchor generator; heads that have one'):
        read_head_anchors(both, 'c.py', 'model.neck')
