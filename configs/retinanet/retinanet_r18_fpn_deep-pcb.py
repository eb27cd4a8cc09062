# RetinaNet R18-FPN on DeepPCB, from random weights.
_base_ = [
    '../_base_/models/retinanet_r18_fpn.py',
    '../_base_/datasets/deep_pcb.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
gamma = 2.0  # focal loss: how strongly easy examples are turned down
alpha = 0.25  # focal loss: weight of positives against negatives
max_epochs = 48  # passes over the training set; it has 260 images only

# ---- sometimes --------------------------------------------------------------------------------
anchor_scale = 2  # side of the smallest anchor in strides: 16 px on the finest level

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    bbox_head=dict(
        num_classes=len(_base_.classes),
        anchor_generator=dict(octave_base_scale=anchor_scale),
        loss_cls=dict(gamma=gamma, alpha=alpha),
    )
)
train_cfg = dict(max_epochs=max_epochs)
