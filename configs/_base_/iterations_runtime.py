# The runtime of trainings that count iterations, with averaged weights of a single detector.
_base_ = ['./default_runtime.py']

# ---- often changed ----------------------------------------------------------------------------
log_interval = 50  # iterations between two log lines
checkpoint_interval = 500  # iterations between two checkpoints

# ---- sometimes --------------------------------------------------------------------------------
ema_momentum = 0.001  # share of the current weights in each step of the average

# ---- rarely -----------------------------------------------------------------------------------
default_hooks = dict(
    logger=dict(interval=log_interval, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=checkpoint_interval),
)
log_processor = dict(window_size=log_interval, by_epoch=False)
custom_hooks = _base_.custom_hooks + [
    dict(type='mmdefect.ClassProgressHook'),
    dict(type='mmdefect.TrainingGuardHook'),
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=ema_momentum,
        update_buffers=True,
        priority=49,
    ),
]
