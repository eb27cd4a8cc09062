# NEU-DET: hot-rolled steel strip, 200x200 grey images, six classes, Pascal VOC files.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_DATA:data}}/neu_det'  # holds images/, annotations/, train.txt, val.txt
image_size = (224, 224)  # (w, h) in pixels that the model sees
batch_size = 8  # images per step
num_workers = 2  # loader processes

# ---- sometimes --------------------------------------------------------------------------------
classes = ('crazing', 'inclusion', 'patches', 'pitted_surface', 'rolled-in_scale', 'scratches')
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
reader = dict(
    type='mmdefect.VOCReader',
    root=data_root,
    images='images',
    annotations='annotations',
    one_based=True,
    # All boxes count; 62 of the 3,301 are marked difficult.
    difficult='keep',
)
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
