# RTMDet-tiny on NEU-DET, from random weights.
_base_ = [
    '../_base_/models/rtmdet_tiny.py',
    '../_base_/datasets/neu_det.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
lr = 1e-3  # peak learning rate, for batches of 8 images

model = dict(bbox_head=dict(num_classes=6))
optim_wrapper = dict(optimizer=dict(lr=lr))

# ---- rarely -----------------------------------------------------------------------------------
# The averaged weights are the ones that are evaluated and saved.
custom_hooks = _base_.custom_hooks + [
    dict(
        type='EMAHook',
        ema_type='ExpMomentumEMA',
        momentum=0.001,
        update_buffers=True,
        priority=49,
    )
]
