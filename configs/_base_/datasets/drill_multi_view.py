# Generated drill bits as parts of eight views: `mmdefect sample-data drill data/drill`.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_DRILL:data/drill}}'  # holds images/, train.json, val.json, test.json
image_size = (160, 160)  # (w, h) in pixels that the model sees
batch_size = 2  # parts per step, each of eight images
num_workers = 2  # loader processes

# ---- sometimes --------------------------------------------------------------------------------
classes = ('Broken', 'Chipped', 'Scratched', 'Severe_Rust', 'Tip_Wear')
views_per_part = 8  # view_id is 0 to views_per_part - 1
geometry = 'registered'  # each image has part_homography; 'free' for cameras that know nothing of
# each other
max_dets = 100  # best-scored detections counted per image and class; a model that keeps fewer
# (test_cfg.max_per_img) is not counted beyond that
on_error = 'raise'  # what a bad box or entry does: 'raise' or 'drop'; a view without a readable
# image file is always left out of its part
aug_num = 1  # changes of light drawn for an image, out of six

# ---- rarely -----------------------------------------------------------------------------------
train_pipeline = [
    dict(
        type='mmdefect.PerView',
        transforms=[
            dict(type='mmdefect.LoadImage'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=image_size, keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='mmdefect.ColourSpace', aug_num=aug_num),
            dict(type='mmdefect.PackInputs'),
        ],
    )
]
test_pipeline = [
    dict(
        type='mmdefect.PerView',
        transforms=[
            dict(type='mmdefect.LoadImage'),
            dict(type='Resize', scale=image_size, keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='mmdefect.PackInputs'),
        ],
    )
]
dataset = dict(
    type='mmdefect.MultiViewDataset',
    metainfo=dict(classes=classes),
    num_views=views_per_part,
    geometry=geometry,
    on_error=on_error,
)
loader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    collate_fn=dict(type='mmdefect.multi_view_collate'),
)
train_dataloader = dict(
    **loader,
    # Has no end, and seeds each item by its draw: needs a loop that counts iterations.
    sampler=dict(type='mmdefect.SemiSupervisedSampler', batch_size=batch_size, source_ratio=[1]),
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
val_evaluator = dict(type='mmdefect.MultiViewMetric', max_dets=max_dets)
test_evaluator = val_evaluator
