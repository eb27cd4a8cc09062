# RetinaNet R50-FPN on the generated drill bits, from random weights.
_base_ = [
    '../_base_/models/retinanet_r50_fpn.py',
    '../_base_/datasets/drill.py',
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
        # The smallest defects are half as large as the smallest anchors upstream.
        anchor_generator=dict(octave_base_scale=2),
        loss_cls=dict(gamma=gamma, alpha=alpha),
    )
)
