# What `make demo-multi-view` trains: soft_teacher_custom_multi_view_tiny.py, narrower.
_base_ = ['./soft_teacher_custom_multi_view_tiny.py', '../_base_/models/made_narrow.py']

# ---- often changed ----------------------------------------------------------------------------
max_iters = 1150  # updates of the student
val_interval = 1150  # iterations between two validations
burn_in = 900  # iterations on labelled parts alone; 0 with load_from of a training that had them
lr = 1e-3  # peak learning rate, for 8 labelled images per step
# Lower than for a long training: after so few updates the teacher is sure of little.
initial_thr = 0.3  # score from which a box may teach its place
cls_thr = 0.3  # score from which a box teaches its class; a number, or one per class name
rpn_thr = 0.3  # score from which a box teaches the proposals

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    detector=_base_.narrow,
    semi_train_cfg=dict(
        burn_in=burn_in, thresholds=dict(initial=initial_thr, cls=cls_thr, rpn=rpn_thr)
    ),
)
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
optim_wrapper = dict(optimizer=dict(lr=lr))
