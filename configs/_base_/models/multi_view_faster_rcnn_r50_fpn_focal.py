# The same with a ResNet-50, from ImageNet weights.
_base_ = ['./multi_view_faster_rcnn_r18_fpn_focal.py']

# ---- often changed ----------------------------------------------------------------------------
# Of the backbone: a path, a URL or torchvision://NAME.
weights = 'torchvision://resnet50'

# ---- rarely -----------------------------------------------------------------------------------
# Pretrained statistics are kept and the first stage is frozen, as the weights expect it.
model = dict(
    backbone=dict(
        depth=50,
        frozen_stages=1,
        norm_eval=True,
        init_cfg=dict(_delete_=True, type='Pretrained', checkpoint=weights),
    ),
    neck=dict(in_channels=[256, 512, 1024, 2048]),
)
