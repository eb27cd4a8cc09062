# What every config of mmdefect shares.

# ---- often changed ----------------------------------------------------------------------------
seed = 0  # of weights, shuffling and augmentation
log_interval = 20  # iterations between two log lines
save_best = 'mmdefect/AP50'  # metric that chooses best_*.pth

# ---- sometimes --------------------------------------------------------------------------------
max_keep_ckpts = 2  # newest checkpoints kept, besides the best
launcher_backend = 'nccl'  # of distributed training on GPUs

# ---- rarely -----------------------------------------------------------------------------------
default_scope = 'mmdet'
custom_imports = dict(imports=['mmdefect'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=log_interval),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='mmdefect.AtomicCheckpointHook',
        interval=1,
        max_keep_ckpts=max_keep_ckpts,
        save_best=save_best,
        rule='greater',
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='DetVisualizationHook'),
)
custom_hooks = [
    dict(type='mmdefect.RandomStateHook'),
    dict(type='mmdefect.CheckpointMatchHook'),
    dict(type='mmdefect.ClassCountHook'),
    dict(type='mmdefect.SamplerCheckHook'),
    dict(type='mmdefect.TrainingManifestHook'),
    dict(type='mmdefect.EvaluationRecordHook'),
    dict(type='mmdefect.ScoreTrackingHook'),
    dict(type='mmdefect.ProgressHook'),
]
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend=launcher_backend),
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='mmdefect.TensorboardVisBackend')]
visualizer = dict(type='DetLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(type='LogProcessor', window_size=log_interval, by_epoch=True)
log_level = 'INFO'
randomness = dict(seed=seed)
load_from = None
resume = False

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
