# NEU-DET: hot-rolled steel strip, 200x200 grey images, six classes, Pascal VOC files.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_DATA:data}}/neu_det'  # holds images/, annotations/, train.txt, val.txt
image_size = (224, 224)  # (w, h) in pixels that the model sees
batch_size = 8  # images per step
num_workers = 2  # loader processes

# ---- sometimes --------------------------------------------------------------------------------
classes = ('crazing', 'inclusion', 'patches', 'pitted_surface', 'rolled-in_scale', 'scratches')
max_dets = 100  # best-scored detections counted per image and class
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
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        type='mmdefect.DefectDataset',
        reader=dict(
            type='mmdefect.VOCReader',
            root=data_root,
            images='images',
            annotations='annotations',
            list_file='train.txt',
            one_based=True,
            difficult='keep',
        ),
        metainfo=dict(classes=classes),
        on_error=on_error,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmdefect.DefectDataset',
        reader=dict(
            type='mmdefect.VOCReader',
            root=data_root,
            images='images',
            annotations='annotations',
            list_file='val.txt',
            one_based=True,
            difficult='keep',
        ),
        metainfo=dict(classes=classes),
        on_error=on_error,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmdefect.DefectMetric', max_dets=max_dets)
test_evaluator = val_evaluator
