# Multi-view Soft Teacher made small for two cores: parts of eight views at 160 px.
_base_ = [
    '../_base_/models/multi_view_faster_rcnn_tiny_focal.py',
    '../_base_/datasets/drill_multi_view_semi.py',
    '../_base_/schedules/iterations.py',
    '../_base_/soft_teacher_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
max_iters = 300  # updates of the student
val_interval = 150  # iterations between two validations
burn_in = 100  # iterations on labelled parts alone; 0 with load_from of a training that had them
lr = 5e-4  # peak learning rate, for 2 parts of 8 views per step
initial_thr = 0.4  # score from which a box may teach its place
cls_thr = 0.35  # score from which a box teaches its class; a number, or one per class name
rpn_thr = 0.35  # score from which a box teaches the proposals
batch_size = 2  # parts per step, one labelled and one not
unsup_weight = 1.0  # of the unlabelled parts' losses against the labelled ones'

# ---- sometimes --------------------------------------------------------------------------------
warmup = 50  # iterations after the burn-in in which unsup_weight rises
clean_images = 'background'  # what an image without pseudo label teaches: 'background', 'ignore',
# or 'unless_doubtful' (background if all scores are low)
jitter_times = 10  # shifted copies of a box that measure how sure its place is
jitter_scale = 0.06  # their shift, relative to the size of the box
max_uncertainty = 0.02  # deviation, relative to the box, up to which it teaches its place
min_votes = 2  # views that must agree; or per class: dict(Chipped=3)
add_missed = False  # True: a box that one view missed is added to it

# ---- rarely -----------------------------------------------------------------------------------
detector = _base_.model
detector.roi_head.bbox_head.num_classes = len(_base_.classes)
train_dataloader = dict(batch_size=batch_size, sampler=dict(batch_size=batch_size))
model = dict(
    _delete_=True,
    type='mmdefect.MultiViewSoftTeacher',
    detector=detector,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor=detector.data_preprocessor
    ),
    semi_train_cfg=dict(
        classes=_base_.classes,
        burn_in=burn_in,
        unsup_weight=unsup_weight,
        warmup=warmup,
        thresholds=dict(
            type='mmdefect.ClassThresholds', initial=initial_thr, cls=cls_thr, rpn=rpn_thr
        ),
        policy=dict(type='mmdefect.PseudoLabelPolicy', clean_images=clean_images),
        uncertainty=dict(
            type='mmdefect.BoxJitter', times=jitter_times, scale=jitter_scale, limit=max_uncertainty
        ),
        consensus=dict(type='mmdefect.ViewConsensus', min_votes=min_votes, add_missed=add_missed),
        statistics=dict(type='mmdefect.PseudoLabelStatistics', hidden_truth=True),
    ),
)
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, by_epoch=False, T_max=max_iters),
]
optim_wrapper = dict(optimizer=dict(lr=lr))
