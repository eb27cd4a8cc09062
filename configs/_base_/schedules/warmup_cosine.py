# The course of the learning rate, and what else all schedules share.

# ---- sometimes --------------------------------------------------------------------------------
warmup_iters = 200  # iterations of linear warm-up

# ---- rarely -----------------------------------------------------------------------------------
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup_iters),
    # Down to the last epoch of train_cfg.
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
# With --auto-scale-lr the learning rate follows the batch size.
auto_scale_lr = dict(enable=False, base_batch_size=8)
