"""Tiny detectors of several kinds, and a semi-supervised one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

_BACKBONE = """
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3),
        frozen_stages=-1, norm_cfg=dict(type='BN'), norm_eval=False, init_cfg=None),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5{neck}),
"""
_DENSE = """
model = dict(
    _delete_=True, type='{type}',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[110., 110., 110.], std=[50., 50., 50.],
        bgr_to_rgb=True, pad_size_divisor=32),
    {backbone}
    bbox_head=dict(
        type='{head}', num_classes=len(classes), in_channels=16, feat_channels=32,
        stacked_convs=1, {options}),
    train_cfg={train_cfg},
    test_cfg=dict(
        nms_pre=100, min_bbox_size=0, score_thr=0.001, nms=dict(type='nms', iou_threshold=0.6),
        max_per_img=100))
"""
_ANCHORS = (
    "anchor_generator=dict(type='AnchorGenerator', ratios=[1.], octave_base_scale=4, "
    'scales_per_octave=1, strides=[8, 16, 32, 64, 128]), '
    "loss_bbox=dict(type='GIoULoss', loss_weight=2.)"
)
_TWO_STAGE = """
model = dict(
    _delete_=True, type='FasterRCNN',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[110., 110., 110.], std=[50., 50., 50.],
        bgr_to_rgb=True, pad_size_divisor=32),
    {backbone}
    rpn_head=dict(
        type='RPNHead', in_channels=16, feat_channels=16,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[4], ratios=[0.5, 1., 2.],
            strides=[4, 8, 16, 32, 64])),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            out_channels=16, featmap_strides=[4, 8, 16, 32]),
        bbox_head=dict(
            type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=32, roi_feat_size=7,
            num_classes=len(classes))),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
            sampler=dict(
                type='RandomSampler', num=64, pos_fraction=0.5, add_gt_as_proposals=False),
            allowed_border=-1, pos_weight=-1, debug=False),
        rpn_proposal=dict(
            nms_pre=200, max_per_img=100, nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0),
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5),
            sampler=dict(type='RandomSampler', num=64, pos_fraction=0.25),
            pos_weight=-1, debug=False)),
    test_cfg=dict(
        rpn=dict(
            nms_pre=100, max_per_img=100, nms=dict(type='nms', iou_threshold=0.7),
            min_bbox_size=0),
        rcnn=dict(
            score_thr=0.001, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)))
"""
_EXTRA = {
    'retinanet': '',
    'rtmdet': '',
    'atss': _DENSE.format(
        type='ATSS', head='ATSSHead', options=_ANCHORS,
        backbone=_BACKBONE.format(neck=", start_level=1, add_extra_convs='on_output'"),
        train_cfg="dict(assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1, "
        'pos_weight=-1, debug=False)',
    ),
    'fcos': _DENSE.format(
        type='FCOS', head='FCOSHead', options='strides=[8, 16, 32, 64, 128]',
        backbone=_BACKBONE.format(neck=", start_level=1, add_extra_convs='on_output'"),
        train_cfg='None',
    ),
    'faster_rcnn': _TWO_STAGE.format(backbone=_BACKBONE.format(neck='')),
}  # fmt: skip
# MMDetection's own Soft Teacher, made small, on our data.
_SEMI = """
_base_ = ['mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py']
custom_imports = dict(imports=['mmdefect'], allow_failed_imports=False)
classes = ('chip', 'rust')
detector = _base_.model.detector
detector.backbone.update(dict(
    depth=18, base_channels=8, style='pytorch', init_cfg=None, frozen_stages=-1,
    norm_eval=False, norm_cfg=dict(type='BN', requires_grad=True)))
detector.neck.update(dict(in_channels=[8, 16, 32, 64], out_channels=16))
detector.rpn_head.update(dict(in_channels=16, feat_channels=16))
detector.roi_head.bbox_roi_extractor.update(dict(out_channels=16))
detector.roi_head.bbox_head.update(
    dict(in_channels=16, fc_out_channels=32, num_classes=len(classes)))
model = dict(detector=detector)
branch_field = _base_.branch_field
load = [dict(type='mmdefect.LoadImage')]
augment = [
    dict(type='RandomResize', scale=[(64, 48), (64, 80)], keep_ratio=True),
    dict(type='RandomFlip', prob=0.5)]
pack = [dict(type='mmdefect.PackInputs')]
sup_pipeline = load + [dict(type='LoadAnnotations', with_bbox=True)] + augment + [
    dict(type='MultiBranch', branch_field=branch_field, sup=pack)]
unsup_pipeline = load + [
    dict(type='LoadEmptyAnnotations'),
    dict(
        type='MultiBranch', branch_field=branch_field,
        unsup_teacher=augment + pack,
        unsup_student=augment + [dict(type='RandomErasing', n_patches=(1, 5), ratio=(0, .2))]
        + pack)]
data = dict(type='mmdefect.DefectDataset', metainfo=dict(classes=classes))
labeled_dataset = dict(
    **data, reader=dict(type='mmdefect.COCOReader', ann_file='{data}/train.json'),
    pipeline=sup_pipeline)
unlabeled_dataset = dict(
    **data, reader=dict(type='mmdefect.COCOReader', ann_file='{data}/val.json'),
    pipeline=unsup_pipeline)
train_dataloader = dict(
    _delete_=True, batch_size=3, num_workers=0, persistent_workers=False,
    sampler=dict(type='MultiSourceSampler', batch_size=3, source_ratio=[1, 2]),
    dataset=dict(type='ConcatDataset', datasets=[labeled_dataset, unlabeled_dataset]))
val_dataloader = dict(
    _delete_=True, batch_size=2, num_workers=0, persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **data, reader=dict(type='mmdefect.COCOReader', ann_file='{data}/val.json'),
        test_mode=True,
        pipeline=load + [
            dict(type='Resize', scale=(64, 64), keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True)] + pack))
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='mmdefect.DefectMetric')
test_evaluator = val_evaluator
"""


@pytest.fixture(scope='session')
def make_detector(tmp_path_factory, make_config, tiny_coco) -> Callable[..., Path]:
    """``make_detector(kind, extra='')``: config file of a tiny detector on ``tiny_coco``.

    Kinds: retinanet, rtmdet, atss, fcos, faster_rcnn, semi.
    """

    def make(kind: str, extra: str = '') -> Path:
        folder = tmp_path_factory.mktemp(kind)
        if kind == 'semi':
            path = folder / f'{folder.name}.py'
            path.write_text(_SEMI.replace('{data}', tiny_coco.as_posix()) + extra)
            return path
        base = kind if kind == 'rtmdet' else 'retinanet'
        return make_config(folder, base, extra=_EXTRA[kind] + extra)

    return make
