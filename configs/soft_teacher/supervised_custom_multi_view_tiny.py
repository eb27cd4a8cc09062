# The twin of soft_teacher_custom_multi_view_tiny.py: its detector, on the labelled parts alone.
_base_ = [
    '../_base_/models/multi_view_faster_rcnn_tiny_focal.py',
    '../_base_/datasets/drill_multi_view.py',
    '../_base_/schedules/iterations.py',
    '../_base_/iterations_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
max_iters = 300  # updates of the weights
val_interval = 150  # iterations between two validations
lr = 5e-4  # peak learning rate
batch_size = 1  # parts per step

# ---- rarely -----------------------------------------------------------------------------------
model = dict(roi_head=dict(bbox_head=dict(num_classes=len(_base_.classes))))
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=False, T_max=max_iters),
]
train_dataloader = dict(batch_size=batch_size, sampler=dict(batch_size=batch_size))
optim_wrapper = dict(optimizer=dict(lr=lr))
