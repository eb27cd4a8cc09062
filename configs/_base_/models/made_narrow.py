# What makes the small multi-view Faster R-CNN narrow, for `make demo-multi-view`. Configs merge it
# into their detector.

# ---- sometimes --------------------------------------------------------------------------------
base_channels = 32  # of the backbone; a ResNet-18 has 64
channels = 64  # of FPN, RPN, RoI features and fusion

# ---- rarely -----------------------------------------------------------------------------------
narrow = dict(
    backbone=dict(base_channels=base_channels),
    neck=dict(in_channels=[base_channels * 2**stage for stage in range(4)], out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    fusion=dict(channels=channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels), bbox_head=dict(in_channels=channels)
    ),
)
