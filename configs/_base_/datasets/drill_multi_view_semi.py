# Generated drill bits as parts of eight views, some with boxes and more without.
_base_ = ['./drill_multi_view.py']

# ---- often changed ----------------------------------------------------------------------------
batch_size = 4  # parts per step, each of eight images
source_ratio = [1, 1]  # labelled : unlabelled parts in a batch
# Its boxes are hidden from the student and only measure the pseudo labels; unlabeled.json has none.
unlabelled_file = 'unlabeled_truth.json'

# ---- sometimes --------------------------------------------------------------------------------
max_angle = 10.0  # degrees by which the student's images are turned at most
erased = (1, 5)  # fewest and most patches erased from the student's images
erased_size = (0.0, 0.2)  # their sides as shares of the image's

# ---- rarely -----------------------------------------------------------------------------------
branches = ['sup', 'unsup_teacher', 'unsup_student']
load = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]
weak = [
    dict(type='Resize', scale=_base_.image_size, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
]
light = dict(type='mmdefect.ColourSpace', aug_num=_base_.aug_num)
pack = dict(type='mmdefect.PackInputs')
sup_pipeline = [
    dict(
        type='mmdefect.PerView',
        transforms=[
            *load,
            dict(type='MultiBranch', branch_field=branches, sup=[*weak, light, pack]),
        ],
    )
]
# Light first: what is erased and turned in is not changed by it.
strong = [
    light,
    *weak,
    dict(type='Rotate', prob=0.5, max_mag=max_angle),
    dict(type='RandomErasing', n_patches=erased, ratio=erased_size),
    # Hidden boxes end here.
    dict(type='LoadEmptyAnnotations', with_bbox=True),
]
unsup_pipeline = [
    dict(
        type='mmdefect.PerView',
        transforms=[
            *load,
            dict(
                type='MultiBranch',
                branch_field=branches,
                unsup_teacher=[*weak, pack],
                unsup_student=[*strong, pack],
            ),
        ],
    )
]
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size, source_ratio=source_ratio),
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                **_base_.dataset,
                reader=dict(type='mmdefect.COCOReader', ann_file=_base_.data_root + '/train.json'),
                pipeline=sup_pipeline,
            ),
            dict(
                **_base_.dataset,
                reader=dict(
                    type='mmdefect.COCOReader', ann_file=_base_.data_root + '/' + unlabelled_file
                ),
                pipeline=unsup_pipeline,
            ),
        ],
    ),
)
