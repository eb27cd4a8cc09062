# RetinaNet R18-FPN on generated drill bits of a grey 12-bit camera, from random weights:
# `mmdefect sample-data drill data/drill_grey12 --bit-depth 12`.
_base_ = ['./retinanet_r18_fpn_drill.py']

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_DRILL_GREY12:data/drill_grey12}}'  # images/, train.json, ...
bit_depth = 12  # bits that the camera fills in 16-bit files: 10, 12, 14 or 16
in_channels = 1  # 1: the model sees grey images; 3: the same grey in all three channels
gamma = 2.0  # focal loss: how strongly easy examples are turned down
alpha = 0.25  # focal loss: weight of positives against negatives

# ---- rarely -----------------------------------------------------------------------------------
# Loaded images have grey values of 0 to 255 whatever their bit depth.
mean = [117.0] * in_channels  # grey values
std = [57.6] * in_channels
load_image = dict(type='mmdefect.LoadImage', bit_depth=bit_depth, channels=in_channels)
train_pipeline = [load_image, *_base_.train_pipeline[1:]]
test_pipeline = [load_image, *_base_.test_pipeline[1:]]
train_dataloader = dict(
    dataset=dict(reader=dict(ann_file=data_root + '/train.json'), pipeline=train_pipeline)
)
val_dataloader = dict(
    dataset=dict(reader=dict(ann_file=data_root + '/val.json'), pipeline=test_pipeline)
)
test_dataloader = dict(
    dataset=dict(reader=dict(ann_file=data_root + '/test.json'), pipeline=test_pipeline)
)
model = dict(
    data_preprocessor=dict(mean=mean, std=std, bgr_to_rgb=False),
    backbone=dict(in_channels=in_channels),
    bbox_head=dict(loss_cls=dict(gamma=gamma, alpha=alpha)),
)
