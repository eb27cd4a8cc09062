# What makes the multi-view Faster R-CNN small enough for CPUs: a ResNet-18 from random weights,
# fewer regions, smaller layers on them. Configs merge it into their detector.

# ---- sometimes --------------------------------------------------------------------------------
regions = 128  # per image in training
proposals = 256  # per image that the second stage looks at
fc_channels = 256  # of the two layers on a region

# ---- rarely -----------------------------------------------------------------------------------
small = dict(
    backbone=dict(depth=18, frozen_stages=-1, norm_eval=False, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512]),
    fusion=dict(tokens=64),
    roi_head=dict(bbox_head=dict(fc_out_channels=fc_channels)),
    # Square anchors of 16 pixels on the finest level.
    rpn_head=dict(anchor_generator=dict(scales=[4])),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=proposals, max_per_img=proposals),
        rcnn=dict(sampler=dict(num=regions)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=proposals, max_per_img=proposals)),
)
