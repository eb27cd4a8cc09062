# The runtime of soft teachers: the averaged student is the teacher, which is evaluated and saved.
_base_ = ['./default_runtime.py']

# ---- often changed ----------------------------------------------------------------------------
log_interval = 50  # iterations between two log lines
checkpoint_interval = 500  # iterations between two checkpoints

# ---- sometimes --------------------------------------------------------------------------------
decay = 0.999  # share of itself that the teacher keeps in each step
save_best = 'teacher/mmdefect/AP50'  # metric that chooses best_*.pth
gallery_interval = 500  # iterations between two pictures of pseudo labels
guard_rules = None  # what the guard looks for: None is every rule; see mmdefect.TrainingGuardHook
guard_action = 'warn'  # or 'stop'

# ---- rarely -----------------------------------------------------------------------------------
default_hooks = dict(
    logger=dict(interval=log_interval, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=checkpoint_interval, save_best=save_best),
)
log_processor = dict(window_size=log_interval, by_epoch=False)
custom_hooks = _base_.custom_hooks + [
    dict(type='mmdefect.MeanTeacherHook', decay=decay),
    dict(type='mmdefect.ClassProgressHook'),
    dict(type='mmdefect.PseudoLabelGalleryHook', interval=gallery_interval),
    dict(type='mmdefect.TrainingGuardHook', rules=guard_rules, action=guard_action),
]
val_cfg = dict(type='TeacherStudentValLoop')
