# RetinaNet R18-FPN on steel strips, trained on tiles, evaluated on whole strips through tiles.
_base_ = [
    '../_base_/models/retinanet_r18_fpn.py',
    '../_base_/datasets/steel.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
gamma = 2.0  # focal loss: how strongly easy examples are turned down
alpha = 0.25  # focal loss: weight of positives against negatives
save_best = 'mmdefect/AP50'  # or mmdefect/part_recall: strips instead of boxes

# ---- sometimes --------------------------------------------------------------------------------
# Defects longer than a tile are found in pieces, which nmm joins.
merge = dict(method='nmm', metric='ios', threshold=0.5, max_per_image=_base_.max_dets)

# ---- rarely -----------------------------------------------------------------------------------
_base_.model.bbox_head.update(
    num_classes=len(_base_.classes),
    # Scratches are a few pixels wide.
    anchor_generator=dict(
        type='AnchorGenerator',
        octave_base_scale=3,
        scales_per_octave=3,
        ratios=[0.25, 0.5, 1.0, 2.0, 4.0],  # h / w
        strides=[8, 16, 32, 64, 128],
    ),
)
_base_.model.bbox_head.loss_cls.update(gamma=gamma, alpha=alpha)
model = dict(
    _delete_=True,
    type='mmdefect.TiledDetector',
    detector=_base_.model,
    size=_base_.tile_size,
    overlap=_base_.overlap,
    merge=merge,
)
default_hooks = dict(checkpoint=dict(save_best=save_best))
