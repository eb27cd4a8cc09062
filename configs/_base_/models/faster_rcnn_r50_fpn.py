# Faster R-CNN from random weights.
_base_ = ['mmdet::_base_/models/faster-rcnn_r50_fpn.py']

# ---- often changed ----------------------------------------------------------------------------
score_thr = 0.001  # detections below are dropped; decisions are made later

# ---- sometimes --------------------------------------------------------------------------------
nms_iou = 0.5  # of two boxes of a class that overlap more, the weaker one goes
max_per_img = 100

# ---- rarely -----------------------------------------------------------------------------------
# Nothing is frozen: frozen random filters would stay random.
model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(norm_cfg=dict(type='BN')),
    roi_head=dict(bbox_roi_extractor=dict(type='mmdefect.MultiLevelRoIExtractor')),
    test_cfg=dict(
        rcnn=dict(
            score_thr=score_thr,
            nms=dict(type='nms', iou_threshold=nms_iou),
            max_per_img=max_per_img,
        )
    ),
)
