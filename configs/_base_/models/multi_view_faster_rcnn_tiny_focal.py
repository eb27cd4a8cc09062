# The same made small for demonstrations on CPUs: fewer regions, smaller layers on them.
_base_ = ['./multi_view_faster_rcnn_r18_fpn_focal.py']

# ---- sometimes --------------------------------------------------------------------------------
regions = 128  # per image in training
proposals = 256  # per image that the second stage looks at
fc_channels = 256  # of the two layers on a region

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    fusion=dict(tokens=64),
    roi_head=dict(bbox_head=dict(fc_out_channels=fc_channels)),
    rpn_head=dict(anchor_generator=dict(scales=[4])),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=proposals, max_per_img=proposals),
        rcnn=dict(sampler=dict(num=regions)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=proposals, max_per_img=proposals)),
)
