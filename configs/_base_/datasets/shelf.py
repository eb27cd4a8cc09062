# Generated shelves of products that touch: `mmdefect sample-data shelf data/shelf`.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_SHELF:data/shelf}}'  # holds images/, train.json, val.json, test.json
image_size = (512, 384)  # (w, h) in pixels that the model sees; level `real` has 1024 x 768
batch_size = 4  # images per step
num_workers = 2  # loader processes

# ---- sometimes --------------------------------------------------------------------------------
classes = ('object',)
max_dets = 300  # best-scored detections counted per image and class; a model that keeps fewer
# (test_cfg.max_per_img) is not counted beyond that
on_error = 'raise'  # what a bad box or file does: 'raise' or 'drop'

# ---- rarely -----------------------------------------------------------------------------------
train_pipeline = [
    dict(type='mmdefect.LoadImage'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=image_size, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='mmdefect.PackInputs'),
]
test_pipeline = [
    dict(type='mmdefect.LoadImage'),
    dict(type='Resize', scale=image_size, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='mmdefect.PackInputs'),
]
dataset = dict(type='mmdefect.DefectDataset', metainfo=dict(classes=classes), on_error=on_error)
loader = dict(batch_size=batch_size, num_workers=num_workers, persistent_workers=num_workers > 0)
train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        **dataset,
        reader=dict(type='mmdefect.COCOReader', ann_file=data_root + '/train.json'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        reader=dict(type='mmdefect.COCOReader', ann_file=data_root + '/val.json'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        reader=dict(type='mmdefect.COCOReader', ann_file=data_root + '/test.json'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = [
    dict(type='mmdefect.DefectMetric', max_dets=max_dets),
    # How far scores are from probabilities, and the temperature of the head that mends it.
    dict(type='mmdefect.CalibrationMetric', max_dets=max_dets),
]
test_evaluator = val_evaluator
