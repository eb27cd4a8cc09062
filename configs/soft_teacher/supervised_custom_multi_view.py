# The twin of soft_teacher_custom_multi_view.py: its detector, on the labelled parts alone.
_base_ = [
    '../_base_/models/multi_view_faster_rcnn_r50_fpn_focal.py',
    '../_base_/datasets/drill_multi_view.py',
    '../_base_/schedules/iterations.py',
    '../_base_/iterations_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
max_iters = 40000  # updates of the weights
val_interval = 2500  # iterations between two validations
burn_in = 2000  # iterations before the weights are averaged, as the soft teacher's
lr = 5e-4  # peak learning rate

# ---- rarely -----------------------------------------------------------------------------------
model = dict(roi_head=dict(bbox_head=dict(num_classes=len(_base_.classes))))
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
optim_wrapper = dict(optimizer=dict(lr=lr))
default_hooks = dict(average=dict(burn_in=burn_in))
auto_scale_lr = dict(base_batch_size=_base_.batch_size)
