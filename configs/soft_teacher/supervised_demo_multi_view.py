# What `make demo-multi-view` trains first: supervised_custom_multi_view_tiny.py, narrower.
_base_ = ['./supervised_custom_multi_view_tiny.py', '../_base_/models/made_narrow.py']

# ---- often changed ----------------------------------------------------------------------------
max_iters = 900  # updates of the weights
val_interval = 900  # iterations between two validations
burn_in = 900  # iterations before the weights are averaged, as the soft teacher's
lr = 1e-3  # peak learning rate, for 8 images per step

# ---- rarely -----------------------------------------------------------------------------------
model = _base_.narrow
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
optim_wrapper = dict(optimizer=dict(lr=lr))
default_hooks = dict(average=dict(burn_in=burn_in))
