# What `make demo` trains: a slim RetinaNet on the generated drill bits, minutes on two CPU cores.
_base_ = [
    '../_base_/models/retinanet_r18_fpn.py',
    '../_base_/datasets/drill.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
gamma = 2.0  # focal loss: how strongly easy examples are turned down
alpha = 0.25  # focal loss: weight of positives against negatives
lr = 1e-3  # peak learning rate, for batches of 8 images
max_epochs = 16  # passes over the training set
val_interval = 4  # epochs between two validations

# ---- sometimes --------------------------------------------------------------------------------
base_channels = 32  # of the backbone; a ResNet-18 has 64
channels = 64  # of FPN and head
anchor_scale = 2  # side of the smallest anchor in strides: 16 px on the finest level

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    backbone=dict(base_channels=base_channels),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=channels),
    bbox_head=dict(
        num_classes=len(_base_.classes),
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
        anchor_generator=dict(octave_base_scale=anchor_scale),
        loss_cls=dict(gamma=gamma, alpha=alpha),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
train_cfg = dict(max_epochs=max_epochs, val_interval=val_interval)
