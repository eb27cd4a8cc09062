# Soft Teacher with RetinaNet R18-FPN: 113 labelled and 1,020 unlabelled images of NEU-DET.
_base_ = [
    '../_base_/models/retinanet_r18_fpn.py',
    '../_base_/models/soft_teacher.py',
    '../_base_/datasets/neu_det_10pct_semi.py',
    '../_base_/schedules/iterations.py',
    '../_base_/soft_teacher_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
burn_in = 1000  # iterations on labelled images alone; 0 with load_from of a training that had them
lr = 5e-4  # peak learning rate, for 4 labelled images per step
initial_thr = 0.3  # score from which a box may teach its place
cls_thr = 0.3  # score from which a box teaches its class; a number, or one per class name
unsup_weight = 1.0  # of the unlabelled images' losses against the labelled ones'

# ---- rarely -----------------------------------------------------------------------------------
detector = _base_.model
detector.bbox_head.num_classes = len(_base_.classes)
model = dict(
    _delete_=True,
    type='mmdefect.MultiViewSoftTeacher',
    detector=detector,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor=detector.data_preprocessor
    ),
    semi_train_cfg=dict(
        _base_.semi_train_cfg,
        classes=_base_.classes,
        burn_in=burn_in,
        unsup_weight=unsup_weight,
        thresholds=dict(type='mmdefect.ClassThresholds', initial=initial_thr, cls=cls_thr),
        uncertainty=_base_.candidate_spread,
    ),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=_base_.batch_size)
