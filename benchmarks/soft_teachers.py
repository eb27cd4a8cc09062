"""Our soft teacher and MMDetection's, made to do the same work, and a batch for both."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from peers import build, load_config, make_batch, with_stock_parts

CONFIG = 'soft_teacher/soft_teacher_faster-rcnn_neu-det_10pct.py'
# Labelled images of a batch, and unlabelled ones.
IMAGES = 2
# From it on a box of the teacher feeds every loss; one number, as stock drops the boxes below
# `pseudo_label_initial_score_thr` before it looks at the others.
THRESHOLD = 0.4
# High enough for all boxes to teach their place.
MAX_UNCERTAINTY = 0.2
# How much likelier than a class background is to the teacher (logits of standard deviation 2).
BACKGROUND = 9.0


def build_soft_teachers(size: int, stock: bool = True) -> dict[str, Any]:
    """Our soft teacher and the stock one: same detector, weights, thresholds, jitter.

    Weights are random, but the teacher's opinions are spread so that it finds some boxes and is
    sure that most places are background, as a trained one is.

    Args:
        size (int): Width and height of the images of :func:`make_semi_batch`, pixels.
        stock (bool): Build the stock one too. Default True.

    Returns:
        dict[str, Any]: ``ours`` and, where asked for, ``stock``.
    """
    config = load_config(CONFIG)
    settings = config.semi_train_cfg
    settings.thresholds.update(initial=THRESHOLD, cls=THRESHOLD, rpn=THRESHOLD)
    settings.uncertainty.limit = MAX_UNCERTAINTY
    # Ours looks at nothing below.
    config.detector.test_cfg.rcnn.score_thr = settings.policy.score_floor = 0.05
    models = {'ours': build(config)}
    _spread_scores(models['ours'].student, size)
    models['ours'].teacher.load_state_dict(models['ours'].student.state_dict())
    if stock:
        config.update(type='SoftTeacher', detector=with_stock_parts(config.detector))
        config.semi_train_cfg = type(settings)(
            unsup_weight=settings.unsup_weight,
            pseudo_label_initial_score_thr=THRESHOLD,
            rpn_pseudo_thr=THRESHOLD,
            cls_pseudo_thr=THRESHOLD,
            reg_pseudo_thr=MAX_UNCERTAINTY,
            jitter_times=settings.uncertainty.times,
            jitter_scale=settings.uncertainty.scale,
            min_pseudo_bbox_wh=(1, 1),
        )
        config.semi_test_cfg = dict(predict_on='teacher')
        models['stock'] = build(config)
        for part in ('student', 'teacher'):
            weights = getattr(models['ours'], part).state_dict()
            getattr(models['stock'], part).load_state_dict(weights)
    return models


@torch.no_grad()
def _spread_scores(detector: Any, size: int) -> None:
    """Scale and shift the last layer, whose random weights give all classes the same score."""
    from mmdet.structures.bbox import bbox2roi

    detector.eval()
    data = detector.data_preprocessor(make_batch(size, IMAGES), False)
    features = detector.extract_feat(data['inputs'])
    proposals = detector.rpn_head.predict(features, data['data_samples'], rescale=False)
    rois = bbox2roi([found.bboxes for found in proposals])
    layer = detector.roi_head.bbox_head.fc_cls
    logits = detector.roi_head._bbox_forward(features, rois)['cls_score'] - layer.bias
    gain = 2 / logits.std(0)
    layer.weight *= gain[:, None]
    layer.bias.copy_(-gain * logits.mean(0))
    layer.bias[-1] += BACKGROUND


def make_semi_batch(size: int) -> dict[str, Any]:
    """Labelled images, and unlabelled ones that the student sees flipped.

    Args:
        size (int): Width and height in pixels.

    Returns:
        dict[str, Any]: ``inputs`` and ``data_samples`` of the branches ``sup``, ``unsup_teacher``
        and ``unsup_student``.
    """
    flip = np.array([[-1, 0, size], [0, 1, 0], [0, 0, 1]], np.float32)
    batch: dict[str, Any] = {'inputs': {}, 'data_samples': {}}
    for branch, matrix in (
        ('sup', np.eye(3, dtype=np.float32)),
        ('unsup_teacher', np.eye(3, dtype=np.float32)),
        ('unsup_student', flip),
    ):
        images = make_batch(size, IMAGES)
        if matrix is flip:
            images['inputs'] = [image.flip(2) for image in images['inputs']]
        for sample in images['data_samples']:
            sample.set_metainfo({'homography_matrix': matrix})
        batch['inputs'][branch], batch['data_samples'][branch] = images.values()
    return batch
