# RTMDet-tiny on the generated drill bits, from random weights.
_base_ = [
    '../_base_/models/rtmdet_tiny.py',
    '../_base_/datasets/drill.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/rtmdet_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
lr = 1e-3  # peak learning rate, for batches of 8 images

# ---- rarely -----------------------------------------------------------------------------------
model = dict(bbox_head=dict(num_classes=len(_base_.classes)))
optim_wrapper = dict(optimizer=dict(lr=lr))
