# SGD for models that start from a checkpoint.
_base_ = ['./warmup_cosine.py']

# ---- often changed ----------------------------------------------------------------------------
max_epochs = 12  # passes over the training set
lr = 0.005  # peak learning rate, for batches of 8 images
val_interval = 1  # epochs between two validations

# ---- sometimes --------------------------------------------------------------------------------
weight_decay = 1e-4
clip_norm = 10.0  # largest gradient norm

# ---- rarely -----------------------------------------------------------------------------------
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=val_interval)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=lr, momentum=0.9, weight_decay=weight_decay),
    clip_grad=dict(max_norm=clip_norm),
)
