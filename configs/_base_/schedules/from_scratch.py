# AdamW with warm-up and a cosine, for models trained from random weights.
_base_ = ['./warmup_cosine.py']

# ---- often changed ----------------------------------------------------------------------------
max_epochs = 24  # passes over the training set
lr = 5e-4  # peak learning rate, for batches of 8 images
val_interval = 4  # epochs between two validations

# ---- sometimes --------------------------------------------------------------------------------
weight_decay = 0.05
clip_norm = 10.0  # largest gradient norm

# ---- rarely -----------------------------------------------------------------------------------
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=val_interval)
optim_wrapper = dict(
    type='OptimWrapper',
    # Fused: one pass over the weights instead of several.
    optimizer=dict(type='AdamW', lr=lr, weight_decay=weight_decay, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=clip_norm),
)
