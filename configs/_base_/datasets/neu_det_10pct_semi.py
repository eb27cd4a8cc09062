# NEU-DET with 113 labelled and 1,020 unlabelled images.
_base_ = ['./neu_det_10pct.py']

# ---- often changed ----------------------------------------------------------------------------
batch_size = 8  # images per step
source_ratio = [1, 1]  # labelled : unlabelled images in a batch
# Their boxes are hidden from the student and only measure the pseudo labels.
unlabelled_file = 'train_unlabeled_90.txt'

# ---- sometimes --------------------------------------------------------------------------------
max_angle = 10.0  # degrees by which the student's images are turned at most
erased = (1, 5)  # fewest and most patches erased from the student's images
erased_size = (0.0, 0.2)  # their sides as shares of the image's

# ---- rarely -----------------------------------------------------------------------------------
branches = ['sup', 'unsup_teacher', 'unsup_student']
# Light first: what is erased and turned in is not changed by it.
strong = [
    _base_.light,
    *_base_.weak,
    dict(type='Rotate', prob=0.5, max_mag=max_angle),
    dict(type='RandomErasing', n_patches=erased, ratio=erased_size),
    # Hidden boxes end here.
    dict(type='LoadEmptyAnnotations', with_bbox=True),
]
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size, source_ratio=source_ratio),
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                **_base_.labelled,
                pipeline=[
                    *_base_.load,
                    dict(
                        type='MultiBranch',
                        branch_field=branches,
                        sup=[*_base_.weak, _base_.light, _base_.pack],
                    ),
                ],
            ),
            dict(
                **_base_.dataset,
                reader=dict(**_base_.reader, list_file=unlabelled_file),
                pipeline=[
                    *_base_.load,
                    dict(
                        type='MultiBranch',
                        branch_field=branches,
                        unsup_teacher=[*_base_.weak, _base_.pack],
                        unsup_student=[*strong, _base_.pack],
                    ),
                ],
            ),
        ],
    ),
)
