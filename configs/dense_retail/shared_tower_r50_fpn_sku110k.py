# Shared tower R50-FPN on SKU-110K, from random weights.
_base_ = [
    '../_base_/models/shelf_r50_fpn.py',
    '../_base_/datasets/sku110k.py',
    '../_base_/schedules/warmup_steps.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
save_best = 'mmdefect/AP'  # metric that chooses best_*.pth

# ---- rarely -----------------------------------------------------------------------------------
default_hooks = dict(checkpoint=dict(save_best=save_best))
custom_hooks = _base_.custom_hooks + [dict(type='mmdefect.CapCountHook')]
