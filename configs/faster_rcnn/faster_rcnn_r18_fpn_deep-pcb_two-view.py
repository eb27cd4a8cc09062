# Faster R-CNN R18-FPN on DeepPCB, board and template together, from random weights.
_base_ = [
    '../_base_/models/multi_view_faster_rcnn_r18_fpn.py',
    '../_base_/datasets/deep_pcb_two_view.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
lr = 5e-4  # peak learning rate, for batches of 4 boards

# ---- rarely -----------------------------------------------------------------------------------
# Trained on crops and used on whole boards: a token shows as much of a board in both.
model = dict(
    fusion=dict(tokens_at=_base_.crop_size, num_views=2),
    roi_head=dict(bbox_head=dict(num_classes=len(_base_.classes))),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
