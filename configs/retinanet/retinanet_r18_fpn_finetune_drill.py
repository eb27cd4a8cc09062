# RetinaNet R18-FPN on the generated drill bits, starting from weights of another data set.
# The log lists what was loaded, what was mapped by class name and what starts fresh.
_base_ = [
    '../_base_/models/retinanet_r18_fpn.py',
    '../_base_/datasets/drill.py',
    '../_base_/schedules/fine_tune.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
gamma = 2.0  # focal loss: how strongly easy examples are turned down
alpha = 0.25  # focal loss: weight of positives against negatives
# A path, a URL or torchvision://NAME; without a network:
#   --cfg-options load_from=weights.pth
load_from = 'torchvision://resnet18'  # ImageNet backbone

# ---- rarely -----------------------------------------------------------------------------------
# Pretrained statistics are kept and the first stage is frozen, as the weights expect it.
model = dict(
    backbone=dict(frozen_stages=1, norm_eval=True),
    neck=dict(norm_cfg=None),
    bbox_head=dict(
        num_classes=len(_base_.classes),
        # The smallest defects are half as large as the smallest anchors upstream.
        anchor_generator=dict(octave_base_scale=2),
        loss_cls=dict(gamma=gamma, alpha=alpha),
    ),
)
