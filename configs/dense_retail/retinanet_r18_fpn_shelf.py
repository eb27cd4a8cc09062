# Plain RetinaNet on the generated shelves: what the shared tower is compared with. Backbone,
# channels, images, batches and schedule are the same.
_base_ = [
    '../_base_/models/retinanet_r18_fpn.py',
    '../_base_/datasets/shelf.py',
    '../_base_/schedules/shelf.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
save_best = 'mmdefect/AP'  # metric that chooses best_*.pth

# ---- sometimes --------------------------------------------------------------------------------
base_channels = 32  # of the backbone; a ResNet-18 has 64
channels = 64  # of FPN and head
nms_pre = 3000  # best-scored candidates per level

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    backbone=dict(base_channels=base_channels),
    neck=dict(in_channels=[base_channels * 2**stage for stage in range(4)], out_channels=channels),
    bbox_head=dict(num_classes=len(_base_.classes), in_channels=channels, feat_channels=channels),
    test_cfg=dict(nms_pre=nms_pre, max_per_img=_base_.max_dets),
)
default_hooks = dict(checkpoint=dict(save_best=save_best))
