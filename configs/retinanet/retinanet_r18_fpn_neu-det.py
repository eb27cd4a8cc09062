# RetinaNet R18-FPN on NEU-DET, from random weights.
_base_ = [
    '../_base_/models/retinanet_r18_fpn.py',
    '../_base_/datasets/neu_det.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
gamma = 2.0  # focal loss: how strongly easy examples are turned down
alpha = 0.25  # focal loss: weight of positives against negatives

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    bbox_head=dict(
        num_classes=len(_base_.classes),
        loss_cls=dict(gamma=gamma, alpha=alpha),
    )
)
