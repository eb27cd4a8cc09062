# RetinaNet R18-FPN on NEU-DET as what it is, grey images of 8 bits, from random weights.
_base_ = ['./retinanet_r18_fpn_neu-det.py']

# ---- often changed ----------------------------------------------------------------------------
bit_depth = None  # bits that the camera fills in 16-bit files; 8-bit files, as here, need none
in_channels = 1  # 1: the model sees grey images; 3: the same grey in all three channels
gamma = 2.0  # focal loss: how strongly easy examples are turned down
alpha = 0.25  # focal loss: weight of positives against negatives

# ---- rarely -----------------------------------------------------------------------------------
mean = [117.0] * in_channels  # grey values of 0 to 255
std = [57.6] * in_channels
load_image = dict(type='mmdefect.LoadImage', bit_depth=bit_depth, channels=in_channels)
train_pipeline = [load_image, *_base_.train_pipeline[1:]]
test_pipeline = [load_image, *_base_.test_pipeline[1:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    data_preprocessor=dict(mean=mean, std=std, bgr_to_rgb=False),
    backbone=dict(in_channels=in_channels),
    bbox_head=dict(loss_cls=dict(gamma=gamma, alpha=alpha)),
)
