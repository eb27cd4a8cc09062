# RetinaNet R18-FPN on the 26 labelled pairs of DeepPCB, board and template together, from random
# weights: what the soft teacher of the same name is compared with.
_base_ = [
    '../_base_/models/two_view_retinanet_slim.py',
    '../_base_/datasets/deep_pcb_two_view_10pct.py',
    '../_base_/schedules/iterations.py',
    '../_base_/iterations_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
lr = 5e-4  # peak learning rate, for 2 labelled boards per step

# ---- rarely -----------------------------------------------------------------------------------
# Trained on crops and used on whole boards: a token shows as much of a board in both.
model = dict(
    bbox_head=dict(num_classes=len(_base_.classes)), fusion=dict(tokens_at=_base_.crop_size)
)
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=_base_.batch_size)
