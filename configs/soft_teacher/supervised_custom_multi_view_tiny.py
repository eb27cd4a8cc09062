# The twin of soft_teacher_custom_multi_view_tiny.py: its detector, on the labelled parts alone.
_base_ = ['./supervised_custom_multi_view.py', '../_base_/models/made_small.py']

# ---- often changed ----------------------------------------------------------------------------
max_iters = 300  # updates of the weights
val_interval = 150  # iterations between two validations
burn_in = 100  # iterations before the weights are averaged, as the soft teacher's
batch_size = 1  # parts per step

# ---- sometimes --------------------------------------------------------------------------------
warmup_iters = 50  # iterations of linear warm-up of the learning rate

# ---- rarely -----------------------------------------------------------------------------------
model = _base_.small
train_dataloader = dict(batch_size=batch_size, sampler=dict(batch_size=batch_size))
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
param_scheduler = [dict(_base_.param_scheduler[0], end=warmup_iters), _base_.param_scheduler[1]]
default_hooks = dict(average=dict(burn_in=burn_in))
auto_scale_lr = dict(base_batch_size=batch_size)
