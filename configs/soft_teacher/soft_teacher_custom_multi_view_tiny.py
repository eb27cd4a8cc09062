# Multi-view Soft Teacher made small for two cores: parts of eight views at 160 px.
_base_ = ['./soft_teacher_custom_multi_view.py', '../_base_/models/made_small.py']

# ---- often changed ----------------------------------------------------------------------------
max_iters = 300  # updates of the student
val_interval = 150  # iterations between two validations
burn_in = 100  # iterations on labelled parts alone; 0 with load_from of a training that had them
batch_size = 2  # parts per step, one labelled and one not

# ---- sometimes --------------------------------------------------------------------------------
warmup = 50  # iterations after the burn-in in which unsup_weight rises
warmup_iters = 50  # iterations of linear warm-up of the learning rate

# ---- rarely -----------------------------------------------------------------------------------
model = dict(detector=_base_.small, semi_train_cfg=dict(burn_in=burn_in, warmup=warmup))
train_dataloader = dict(batch_size=batch_size, sampler=dict(batch_size=batch_size))
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
param_scheduler = [dict(_base_.param_scheduler[0], end=warmup_iters), _base_.param_scheduler[1]]
auto_scale_lr = dict(base_batch_size=batch_size)
