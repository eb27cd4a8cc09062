"""Lets MMDetection's models be imported; tiny soft teachers on noise, and batches for them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import mmdefect  # noqa: F401  before MMDetection's models, which want compiled operators

CLASSES = ('dent', 'rust', 'gloss')
PIXELS = dict(
    type='DetDataPreprocessor', mean=[110.0] * 3, std=[50.0] * 3, bgr_to_rgb=True,
    pad_size_divisor=32,
)  # fmt: skip
TRUNK = dict(
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, out_indices=(0, 1, 2, 3), frozen_stages=-1,
        norm_cfg=dict(type='BN'), norm_eval=False, init_cfg=None,
    ),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5),
)  # fmt: skip
NMS = dict(type='nms', iou_threshold=0.6)
ONE_STAGE = dict(
    type='RetinaNet', data_preprocessor=PIXELS, **TRUNK,
    bbox_head=dict(
        type='RetinaHead', num_classes=len(CLASSES), in_channels=16, feat_channels=16,
        stacked_convs=1,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1, ratios=[1.0],
            strides=[4, 8, 16, 32, 64],
        ),
    ),
    train_cfg=dict(
        assigner=dict(
            type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
            ignore_iof_thr=-1,
        ),
        sampler=dict(type='PseudoSampler'), allowed_border=-1, pos_weight=-1, debug=False,
    ),
    test_cfg=dict(nms_pre=200, min_bbox_size=0, score_thr=0.001, nms=NMS, max_per_img=30),
)  # fmt: skip
TWO_STAGE = dict(
    type='FasterRCNN', data_preprocessor=PIXELS, **TRUNK,
    rpn_head=dict(
        type='RPNHead', in_channels=16, feat_channels=16,
        anchor_generator=dict(
            type='AnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
        ),
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            type='mmdefect.MultiLevelRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=3, sampling_ratio=2),
            out_channels=16, featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=16, roi_feat_size=3,
            num_classes=len(CLASSES),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.3, min_pos_iou=0.3
            ),
            sampler=dict(
                type='RandomSampler', num=64, pos_fraction=0.5, add_gt_as_proposals=False
            ),
            allowed_border=-1, pos_weight=-1, debug=False,
        ),
        rpn_proposal=dict(nms_pre=100, max_per_img=50, nms=NMS, min_bbox_size=0),
        rcnn=dict(
            assigner=dict(
                type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5
            ),
            sampler=dict(type='RandomSampler', num=32, pos_fraction=0.5),
            pos_weight=-1, debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=100, max_per_img=50, nms=NMS, min_bbox_size=0),
        rcnn=dict(score_thr=0.001, nms=NMS, max_per_img=30),
    ),
)  # fmt: skip
FOCAL = copy.deepcopy(TWO_STAGE)
FOCAL['rpn_head'].update(type='mmdefect.FocalRPNHead')
FOCAL['train_cfg']['rpn']['sampler'] = dict(type='PseudoSampler')
FOCAL['roi_head']['bbox_head'].update(type='mmdefect.FocalBBoxHead')
DETECTORS = {'one_stage': ONE_STAGE, 'two_stage': TWO_STAGE, 'focal': FOCAL}


@pytest.fixture
def make_teacher():
    """A soft teacher of a kind of detector; the teacher is a copy of the student."""
    from mmdet.utils import register_all_modules
    from mmengine.config import ConfigDict

    from mmdefect.registry import MODELS

    register_all_modules()

    def make(kind='two_stage', detector=None, **settings):
        settings = {'classes': CLASSES, 'policy': dict(clean_images='background'), **settings}
        config = ConfigDict(
            type='mmdefect.MultiViewSoftTeacher',
            detector={**copy.deepcopy(DETECTORS[kind]), **(detector or {})},
            data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=PIXELS),
            semi_train_cfg=settings,
        )
        torch.manual_seed(0)
        model = MODELS.build(config)
        model.student.init_weights()
        model.teacher.load_state_dict(model.student.state_dict())
        return model.train()

    return make


@pytest.fixture
def make_batch():
    """Batches of noise: labelled images, and unlabelled ones that the student sees flipped."""
    from mmengine.structures import InstanceData

    def make(labelled=2, unlabelled=2, size=64, boxes=2, seed=0, flip=True):
        generator = torch.Generator().manual_seed(seed)
        inputs, samples = {}, {}
        for branch, number in (('sup', labelled), ('unsup_teacher', unlabelled)):
            inputs[branch] = torch.randn(number, 3, size, size, generator=generator)
            samples[branch] = [_sample(f'{branch}{i}', size) for i in range(number)]
        inputs['unsup_student'] = inputs['unsup_teacher'].clone()
        samples['unsup_student'] = [_sample(f'unsup_teacher{i}', size) for i in range(unlabelled)]
        if flip:
            inputs['unsup_student'] = inputs['unsup_student'].flip(3)
            for sample in samples['unsup_student']:
                matrix = np.array([[-1, 0, size], [0, 1, 0], [0, 0, 1]], np.float32)
                sample.set_metainfo(dict(homography_matrix=matrix))
        for sample in (*samples['sup'], *samples['unsup_teacher']):
            corner = torch.rand(boxes, 2, generator=generator) * size * 0.5
            sample.gt_instances = InstanceData(
                bboxes=torch.cat([corner, corner + 16], 1),
                labels=torch.randint(0, len(CLASSES), (boxes,), generator=generator),
            )
        return inputs, samples

    return make


def _sample(name, size):
    from mmdet.structures import DetDataSample

    return DetDataSample(
        metainfo=dict(
            img_path=name, img_shape=(size, size), ori_shape=(size, size),
            pad_shape=(size, size), batch_input_shape=(size, size), scale_factor=(1.0, 1.0),
            homography_matrix=np.eye(3, dtype=np.float32),
        )
    )  # fmt: skip
