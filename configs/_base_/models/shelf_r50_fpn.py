# Packed products: one tower for all levels of a ResNet-50 FPN with P2 to P6, from random weights.

# ---- often changed ----------------------------------------------------------------------------
score_thr = 0.2  # detections below are dropped; AP needs .001, as in `--cfg-options
# model.test_cfg.score_thr=.001`
size_range = (8, 2000)  # shortest and longest side of a product in pixels of the original image
max_per_img = 300

# ---- sometimes --------------------------------------------------------------------------------
ratios = [0.3, 0.5, 1.0, 2.0, 3.0]  # shapes of anchors, width / height
scales = [0.5, 0.75, 1.0, 1.25]  # sizes of anchors in base sizes
base_sizes = [32, 64, 128, 256, 512]  # root of the area of an anchor, pixels, finest level first
pos_iou = 0.3  # anchors from here on learn a product if their centre lies in the middle of it
neg_iou = 0.4  # all others learn background below this; between two equal products IoU is 1/3
centre_ratio = 0.5  # sides of that middle as a share of the product's
neg_pos_ratio = 3.0  # background anchors per positive one, drawn for each image
max_delta = 8.0  # largest offset of a box from its anchor after division by `stds`
temperature = 1.0  # what logits are divided by
learn_temperature = False  # True: starts from `temperature`
nms_iou = 0.5  # of two boxes that overlap more, the weaker one goes
ios_thr = 0.6  # then of two that share more of the smaller one's area
nms_pre = 3000  # best-scored candidates per level; a packed product has dozens
checkpoint_backbone = False  # True: less memory of its activations for more time; ResNet-50 on

# ---- rarely -----------------------------------------------------------------------------------
# Input range: RGB 0 to 255, normalised to mean 0 and deviation 1 of ImageNet. For 0 to 1 instead,
# set mean to 0 and std to 255.
mean = [123.675, 116.28, 103.53]
std = [58.395, 57.12, 57.375]
stds = (0.1, 0.1, 0.2, 0.2)  # of the offsets
channels = 256  # of FPN and tower
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=mean, std=std, bgr_to_rgb=True, pad_size_divisor=32
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        norm_cfg=dict(type='BN'),
        norm_eval=False,
        with_cp=checkpoint_backbone,
    ),
    # Four levels, and a fifth from the coarsest of them by pooling.
    neck=dict(
        type='FPN',
        in_channels=[256, 512, 1024, 2048],
        out_channels=channels,
        add_extra_convs=False,
        num_outs=5,
        norm_cfg=dict(type='BN'),
    ),
    bbox_head=dict(
        type='mmdefect.SharedTowerHead',
        num_classes=1,
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=4,
        temperature=temperature,
        learn_temperature=learn_temperature,
        anchor_generator=dict(
            type='mmdefect.DefectAnchorGenerator',
            strides=[4, 8, 16, 32, 64],
            ratios=ratios,
            ratio_order='w/h',
            scales=scales,
            base_sizes=base_sizes,
        ),
        bbox_coder=dict(type='mmdefect.ClippedDeltaCoder', max_delta=max_delta, target_stds=stds),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0),
    ),
    train_cfg=dict(
        assigner=dict(
            type='mmdefect.CentreRegionAssigner',
            pos_iou_thr=pos_iou,
            neg_iou_thr=neg_iou,
            min_pos_iou=0.1,
            centre_ratio=centre_ratio,
            neg_pos_ratio=neg_pos_ratio,
        ),
        sampler=dict(type='PseudoSampler'),
        allowed_border=-1,
        pos_weight=-1,
    ),
    test_cfg=dict(
        nms_pre=nms_pre,
        score_thr=score_thr,
        nms=dict(type='nms', iou_threshold=nms_iou),
        size_range=size_range,
        ios_thr=ios_thr,
        max_per_img=max_per_img,
    ),
)
