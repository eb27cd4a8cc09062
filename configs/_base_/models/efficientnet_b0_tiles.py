# EfficientNet-B0 of MMPretrain on tiles: a sigmoid per class, strips scored by their tiles.

# ---- often changed ----------------------------------------------------------------------------
pool = 1  # tiles of a strip that must show a defect

# ---- rarely -----------------------------------------------------------------------------------
classifier = dict(
    # MMDetection has an EfficientNet too, which is another one.
    _scope_='mmpretrain',
    type='ImageClassifier',
    data_preprocessor=dict(
        # ImageNet's, as pretrained weights expect.
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(type='EfficientNet', arch='b0'),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='MultiLabelLinearClsHead',
        num_classes=1,
        in_channels=1280,
        loss=dict(type='CrossEntropyLoss', use_sigmoid=True),
    ),
)
