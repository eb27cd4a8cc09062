# Faster R-CNN R18-FPN on DeepPCB, board and template together, from random weights.
_base_ = [
    '../_base_/models/multi_view_faster_rcnn_r18_fpn.py',
    '../_base_/datasets/deep_pcb_two_view.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
lr = 5e-4  # peak learning rate, for batches of 4 boards

# ---- sometimes --------------------------------------------------------------------------------
# Upstream has 256, with which FPN and RPN take most of the arithmetic at this resolution.
channels = 128  # of FPN, RPN, RoI features and fusion

# ---- rarely -----------------------------------------------------------------------------------
# Trained on crops and used on whole boards: a token shows as much of a board in both.
model = dict(
    neck=dict(out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    fusion=dict(channels=channels, tokens_at=_base_.crop_size, num_views=2),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels),
        bbox_head=dict(in_channels=channels, num_classes=len(_base_.classes)),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
