# The runtime of RTMDet: the averaged weights are the ones that are evaluated and saved.
_base_ = ['./default_runtime.py']

# ---- sometimes --------------------------------------------------------------------------------
ema_momentum = 0.001  # share of the current weights in each step of the average

# ---- rarely -----------------------------------------------------------------------------------
custom_hooks = _base_.custom_hooks + [
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=ema_momentum,
        update_buffers=True,
        priority=49,
    )
]
