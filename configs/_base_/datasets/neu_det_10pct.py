# NEU-DET with 113 labelled images.
_base_ = ['./neu_det.py']

# ---- often changed ----------------------------------------------------------------------------
batch_size = 4  # images per step
labelled_file = 'train_labeled_10.txt'

# ---- sometimes --------------------------------------------------------------------------------
aug_num = 1  # changes of light drawn for an image, out of six

# ---- rarely -----------------------------------------------------------------------------------
load = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]
weak = [
    dict(type='Resize', scale=_base_.image_size, keep_ratio=True),
    dict(
        type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']
    ),
]
light = dict(type='mmdefect.ColourSpace', aug_num=aug_num)
pack = dict(type='mmdefect.PackInputs')
labelled = dict(
    **_base_.dataset,
    reader=dict(**_base_.reader, list_file=labelled_file),
)
train_dataloader = dict(
    batch_size=batch_size,
    batch_sampler=None,
    # Has no end, and seeds each item by its draw: needs a loop that counts iterations.
    sampler=dict(
        _delete_=True,
        type='mmdefect.SemiSupervisedSampler',
        batch_size=batch_size,
        source_ratio=[1],
    ),
    dataset=dict(
        reader=dict(list_file=labelled_file),
        pipeline=[*load, *weak, light, pack],
    ),
)
