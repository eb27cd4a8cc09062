# AdamW with warm-up and two steps down, counted in epochs.

# ---- often changed ----------------------------------------------------------------------------
max_epochs = 50  # passes over the training set
lr = 0.001  # peak learning rate, for batches of 16 images
val_interval = 1  # epochs between two validations

# ---- sometimes --------------------------------------------------------------------------------
warmup_epochs = 5  # of linear warm-up
steps = [30, 40]  # epochs after which the learning rate falls to a tenth
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
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=warmup_epochs, by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(type='MultiStepLR', milestones=steps, gamma=0.1, by_epoch=True),
]  # fmt: skip
# With --auto-scale-lr the learning rate follows the batch size.
auto_scale_lr = dict(enable=False, base_batch_size=16)
