# Shared tower with a slim ResNet-18 on the generated shelves, from random weights: for CPUs.
_base_ = [
    '../_base_/models/shelf_r50_fpn.py',
    '../_base_/datasets/shelf.py',
    '../_base_/schedules/shelf.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
score_thr = 0.001  # all detections, as AP needs them; .2 to count products
size_range = (4, 512)  # shortest and longest side of a product in pixels of the original image
save_best = 'mmdefect/AP'  # metric that chooses best_*.pth

# ---- sometimes --------------------------------------------------------------------------------
base_channels = 32  # of the backbone; a ResNet-18 has 64
channels = 64  # of FPN and tower

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    backbone=dict(depth=18, base_channels=base_channels),
    neck=dict(in_channels=[base_channels * 2**stage for stage in range(4)], out_channels=channels),
    bbox_head=dict(in_channels=channels, feat_channels=channels),
    test_cfg=dict(score_thr=score_thr, size_range=size_range),
)
default_hooks = dict(checkpoint=dict(save_best=save_best))
custom_hooks = _base_.custom_hooks + [dict(type='mmdefect.CapCountHook')]
