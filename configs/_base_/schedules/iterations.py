# AdamW for trainings that count iterations: unlabelled images have no epochs.

# ---- often changed ----------------------------------------------------------------------------
max_iters = 3000  # updates of the weights
lr = 5e-4  # peak learning rate
val_interval = 500  # iterations between two validations

# ---- sometimes --------------------------------------------------------------------------------
warmup_iters = 200  # iterations of linear warm-up
weight_decay = 0.05
clip_norm = 10.0  # largest gradient norm

# ---- rarely -----------------------------------------------------------------------------------
train_cfg = dict(
    type='mmdefect.GuardedIterBasedTrainLoop', max_iters=max_iters, val_interval=val_interval
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='mmdefect.TrainedWeightsConstructor',
    # Fused: one pass over the weights instead of several.
    optimizer=dict(type='AdamW', lr=lr, weight_decay=weight_decay, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=clip_norm),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup_iters),
    # Down to the last iteration of train_cfg.
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=False),
]
# With --auto-scale-lr the learning rate follows the batch size; each config says for which one its
# own was chosen.
auto_scale_lr = dict(enable=False)
