# DeepPCB: bare printed circuit boards, 640x640 binary-like grey images, six classes.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_DATA:data}}/deep_pcb'  # holds group*/, train.txt, val.txt
image_size = (320, 320)  # (w, h) in pixels that the model sees; 640 finds more and costs four times
batch_size = 8  # images per step
num_workers = 2  # loader processes

# ---- sometimes --------------------------------------------------------------------------------
classes = ('open', 'short', 'mousebite', 'spur', 'copper', 'pin-hole')
max_dets = 100  # best-scored detections counted per image and class; a model that keeps fewer
# (test_cfg.max_per_img) is not counted beyond that
on_error = 'raise'  # what a bad box or file does: 'raise' or 'drop'

# ---- rarely -----------------------------------------------------------------------------------
train_pipeline = [
    dict(type='mmdefect.LoadImage'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=image_size, keep_ratio=True),
    dict(
        type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']
    ),
    dict(type='mmdefect.PackInputs'),
]
test_pipeline = [
    dict(type='mmdefect.LoadImage'),
    dict(type='Resize', scale=image_size, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='mmdefect.PackInputs'),
]
reader = dict(type='mmdefect.DeepPCBReader', source=data_root)
dataset = dict(type='mmdefect.DefectDataset', metainfo=dict(classes=classes), on_error=on_error)
loader = dict(batch_size=batch_size, num_workers=num_workers, persistent_workers=num_workers > 0)
train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(**dataset, reader=dict(**reader, list_file='train.txt'), pipeline=train_pipeline),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        reader=dict(**reader, list_file='val.txt'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmdefect.DefectMetric', max_dets=max_dets)
test_evaluator = val_evaluator
