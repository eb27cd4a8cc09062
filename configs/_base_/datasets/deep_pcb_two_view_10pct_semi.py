# DeepPCB as parts of two views, with 26 labelled and 234 unlabelled pairs.
_base_ = ['./deep_pcb_two_view_10pct.py']

# ---- often changed ----------------------------------------------------------------------------
batch_size = 4  # boards per step, two images each
source_ratio = [1, 1]  # labelled : unlabelled boards in a batch
# Their boxes are hidden from the student and only measure the pseudo labels.
unlabelled_file = '{{ fileDirname }}/deep_pcb_unlabeled_90.txt'

# ---- sometimes --------------------------------------------------------------------------------
erased = (1, 5)  # fewest and most patches erased from the student's images
erased_size = (0.0, 0.2)  # their sides as shares of the image's

# ---- rarely -----------------------------------------------------------------------------------
branches = ['sup', 'unsup_teacher', 'unsup_student']
# Light first: what is erased is not changed by it. Boards are not turned: their lines are straight.
strong = [
    _base_.light,
    *_base_.weak,
    dict(type='RandomErasing', n_patches=erased, ratio=erased_size),
    # Hidden boxes end here.
    dict(type='LoadEmptyAnnotations', with_bbox=True),
]
sup = dict(type='MultiBranch', branch_field=branches, sup=[*_base_.weak, _base_.light, _base_.pack])
unsup = dict(
    type='MultiBranch',
    branch_field=branches,
    unsup_teacher=[*_base_.weak, _base_.pack],
    unsup_student=[*strong, _base_.pack],
)
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
                    *_base_.crop,
                    dict(type='mmdefect.PerView', same_draw=True, transforms=[sup]),
                ],
            ),
            dict(
                **_base_.dataset,
                reader=dict(**_base_.reader, list_file=unlabelled_file),
                pipeline=[
                    *_base_.crop,
                    dict(type='mmdefect.PerView', same_draw=True, transforms=[unsup]),
                ],
            ),
        ],
    ),
)
