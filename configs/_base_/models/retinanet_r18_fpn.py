# RetinaNet with a ResNet-18, from random weights: the one for CPUs.
_base_ = ['./retinanet_r50_fpn.py']

# ---- sometimes --------------------------------------------------------------------------------
# Upstream has 256, with which FPN and head take three quarters of the arithmetic.
channels = 128  # of FPN and head

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=channels),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
)
