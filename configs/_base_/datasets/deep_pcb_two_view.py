# DeepPCB as parts of two views: the tested board, and its defect-free template as a reference.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_DATA:data}}/deep_pcb'  # holds group*/, train.txt, val.txt
crop_size = (320, 320)  # (w, h) in pixels of the crops to train on, the same in both views
batch_size = 4  # boards per step, two images each
num_workers = 2  # loader processes
template_key = 'template_path'  # None: the tested board alone

# ---- sometimes --------------------------------------------------------------------------------
classes = ('open', 'short', 'mousebite', 'spur', 'copper', 'pin-hole')
min_visible = 0.25  # share of a box's area that a crop must show for the box to stay
board_size = (640, 640)  # (w, h) in pixels of whole boards, which validation and test see
max_dets = 100  # best-scored detections counted per image and class; a model that keeps fewer
# (test_cfg.max_per_img) is not counted beyond that
on_error = 'raise'  # what a bad box or file does: 'raise' or 'drop'

# ---- rarely -----------------------------------------------------------------------------------
# Board and template lie on each other pixel by pixel, so crops and flips must fall alike.
load = [
    dict(type='mmdefect.LoadImage'),
    dict(type='LoadAnnotations', with_bbox=True),
]
train_pipeline = [
    dict(type='mmdefect.PerView', transforms=load),
    dict(type='mmdefect.RegisteredCrop', crop_size=crop_size, min_visible=min_visible),
    dict(
        type='mmdefect.PerView',
        same_draw=True,
        transforms=[
            dict(type='Resize', scale=crop_size, keep_ratio=True),
            dict(
                type='RandomFlip',
                prob=[0.25, 0.25, 0.25],
                direction=['horizontal', 'vertical', 'diagonal'],
            ),
            dict(type='mmdefect.PackInputs'),
        ],
    ),
]
test_pipeline = [
    dict(
        type='mmdefect.PerView',
        transforms=[
            dict(type='mmdefect.LoadImage'),
            dict(type='Resize', scale=board_size, keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='mmdefect.PackInputs'),
        ],
    ),
]
reader = dict(type='mmdefect.DeepPCBReader', source=data_root)
dataset = dict(
    type='mmdefect.MultiViewDataset',
    metainfo=dict(classes=classes),
    group_by='image',
    geometry='aligned',
    template_key=template_key,
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
    sampler=dict(type='DefaultSampler', shuffle=True),
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
