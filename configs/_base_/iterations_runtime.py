# The runtime of trainings that count iterations, with averaged weights of a single detector.
_base_ = ['./default_runtime.py']

# ---- often changed ----------------------------------------------------------------------------
log_interval = 50  # iterations between two log lines
checkpoint_interval = 500  # iterations between two checkpoints

# ---- sometimes --------------------------------------------------------------------------------
decay = 0.999  # share of itself that the average of the weights keeps in each step
burn_in = 1000  # iterations before the weights are averaged, as the soft teacher's

# ---- rarely -----------------------------------------------------------------------------------
default_hooks = dict(
    logger=dict(interval=log_interval, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=checkpoint_interval),
    # Judged by the same kind of weights as a soft teacher.
    average=dict(type='mmdefect.WeightAverageHook', decay=decay, burn_in=burn_in),
)
log_processor = dict(window_size=log_interval, by_epoch=False)
custom_hooks = _base_.custom_hooks + [
    dict(type='mmdefect.ClassProgressHook'),
    dict(type='mmdefect.TrainingGuardHook'),
]
