# Multi-view Soft Teacher: parts of eight views, few with boxes and many without. For GPUs;
# soft_teacher_custom_multi_view_tiny.py is the one for CPUs. Without a network:
#   --cfg-options model.detector.backbone.init_cfg.checkpoint=resnet50.pth
_base_ = [
    '../_base_/models/multi_view_faster_rcnn_r50_fpn_focal.py',
    '../_base_/models/soft_teacher.py',
    '../_base_/datasets/drill_multi_view_semi.py',
    '../_base_/schedules/iterations.py',
    '../_base_/soft_teacher_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
max_iters = 40000  # updates of the student
val_interval = 2500  # iterations between two validations
burn_in = 2000  # iterations on labelled parts alone; 0 with load_from of a training that had them
lr = 5e-4  # peak learning rate, for 4 parts of 8 views per step
initial_thr = 0.4  # score from which a box may teach its place
cls_thr = 0.35  # score from which a box teaches its class; a number, or one per class name
rpn_thr = 0.35  # score from which a box teaches the proposals
unsup_weight = 1.0  # of the unlabelled parts' losses against the labelled ones'

# ---- sometimes --------------------------------------------------------------------------------
warmup = 2000  # iterations after the burn-in in which unsup_weight rises

# ---- rarely -----------------------------------------------------------------------------------
detector = _base_.model
detector.roi_head.bbox_head.num_classes = len(_base_.classes)
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
        warmup=warmup,
        thresholds=dict(
            type='mmdefect.ClassThresholds', initial=initial_thr, cls=cls_thr, rpn=rpn_thr
        ),
        uncertainty=_base_.box_jitter,
        consensus=_base_.view_consensus,
    ),
)
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=_base_.batch_size)
