# SKU-110K: 11,743 photos of packed shelves, one class, CSV files. Training sees several scales.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_SKU110K:data/SKU110K_fixed}}'  # holds images/, annotations/*.csv
image_size = (1333, 800)  # longer and shorter side in pixels that a validated image fits into
train_sizes = [(1333, 640), (1333, 720), (1333, 800), (1333, 880), (1333, 960)]  # one per image
batch_size = 16  # images per step
num_workers = 4  # loader processes

# ---- sometimes --------------------------------------------------------------------------------
classes = ('object',)
max_dets = 300  # best-scored detections counted per image and class; a model that keeps fewer
# (test_cfg.max_per_img) is not counted beyond that
on_error = 'drop'  # some photos stop short: each is decoded once on loading, and bad ones are
# dropped and listed; 'raise' reads no pixels on loading and stops at the first bad one

# ---- rarely -----------------------------------------------------------------------------------
train_pipeline = [
    dict(type='mmdefect.LoadImage'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomChoiceResize', scales=train_sizes, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='mmdefect.PackInputs'),
]
test_pipeline = [
    dict(type='mmdefect.LoadImage'),
    dict(type='Resize', scale=image_size, keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='mmdefect.PackInputs'),
]
tables = data_root + '/annotations/annotations_'
dataset = dict(type='mmdefect.DefectDataset', metainfo=dict(classes=classes), on_error=on_error)
loader = dict(batch_size=batch_size, num_workers=num_workers, persistent_workers=num_workers > 0)
train_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        **dataset,
        reader=dict(type='mmdefect.SKU110KReader', source=tables + 'train.csv'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        reader=dict(type='mmdefect.SKU110KReader', source=tables + 'val.csv'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        reader=dict(type='mmdefect.SKU110KReader', source=tables + 'test.csv'),
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
