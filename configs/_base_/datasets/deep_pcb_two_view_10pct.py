# DeepPCB as parts of two views, with 26 labelled pairs.
_base_ = ['./deep_pcb_two_view.py']

# ---- often changed ----------------------------------------------------------------------------
batch_size = 2  # boards per step, two images each
crop_size = (192, 192)  # (w, h) in pixels of the crops to train on, the same in both views
labelled_file = '{{ fileDirname }}/deep_pcb_labeled_10.txt'  # every tenth pair of train.txt

# ---- sometimes --------------------------------------------------------------------------------
aug_num = 1  # changes of light drawn for a board, out of six

# ---- rarely -----------------------------------------------------------------------------------
# Both views draw alike in all steps: only defects tell board and template apart.
crop = [
    dict(type='mmdefect.PerView', transforms=_base_.load),
    dict(type='mmdefect.RegisteredCrop', crop_size=crop_size, min_visible=_base_.min_visible),
]
weak = [
    dict(type='Resize', scale=crop_size, keep_ratio=True),
    dict(
        type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']
    ),
]
light = dict(type='mmdefect.ColourSpace', aug_num=aug_num)
pack = dict(type='mmdefect.PackInputs')
labelled = dict(**_base_.dataset, reader=dict(**_base_.reader, list_file=labelled_file))
train_dataloader = dict(
    batch_size=batch_size,
    # Has no end, and seeds each item by its draw: needs a loop that counts iterations.
    sampler=dict(
        _delete_=True,
        type='mmdefect.SemiSupervisedSampler',
        batch_size=batch_size,
        source_ratio=[1],
    ),
    dataset=dict(
        reader=dict(list_file=labelled_file),
        pipeline=[
            *crop,
            dict(type='mmdefect.PerView', same_draw=True, transforms=[*weak, light, pack]),
        ],
    ),
)
