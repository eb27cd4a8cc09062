# Faster R-CNN with a ResNet-18, from random weights: the one for CPUs.
_base_ = ['./faster_rcnn_r50_fpn.py']

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
