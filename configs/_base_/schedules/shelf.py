# The one budget of the detectors that are compared on generated shelves.
_base_ = ['./warmup_steps.py']

# ---- often changed ----------------------------------------------------------------------------
max_epochs = 20  # passes over the training set
lr = 0.001  # peak learning rate, for batches of 4 images
val_interval = 4  # epochs between two validations

# ---- sometimes --------------------------------------------------------------------------------
warmup_epochs = 2  # of linear warm-up
steps = [14, 18]  # epochs after which the learning rate falls to a tenth

# ---- rarely -----------------------------------------------------------------------------------
train_cfg = dict(max_epochs=max_epochs, val_interval=val_interval)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    {**_base_.param_scheduler[0], 'end': warmup_epochs},
    {**_base_.param_scheduler[1], 'milestones': steps},
]
auto_scale_lr = dict(base_batch_size=4)
