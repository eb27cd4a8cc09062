# Faster R-CNN R18-FPN with focal loss in both stages and anchors for narrow defects.
_base_ = ['./faster_rcnn_r18_fpn.py']

# ---- often changed ----------------------------------------------------------------------------
ratios = [0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0]  # shapes of anchors, width / height
# The focal values are those of an earlier system; gamma 2, alpha .25 and weight 1 in both stages
# learned faster on the sample data: docs/benchmarks.md.
rpn_gamma = 2.5  # of the proposals: above 0, easy anchors count less
rpn_alpha = 0.75  # weight of the objects, background has 1 - alpha
rpn_weight = 3.0  # of the objectness against the proposals' boxes
roi_gamma = 3.5  # of the classes: above 0, easy regions count less
roi_alpha = 0.75  # weight of a region's own class, others have 1 - alpha
roi_weight = 2.5  # of the classes against the boxes

# ---- sometimes --------------------------------------------------------------------------------
exclusive = True  # a region has one class at most; False: it may have several, scored one by one
anchor_scale = 8  # side of a square anchor in strides: 32 pixels on the finest level

# ---- rarely -----------------------------------------------------------------------------------
focal = dict(_delete_=True, type='FocalLoss', use_sigmoid=True)
model = dict(
    rpn_head=dict(
        type='mmdefect.FocalRPNHead',
        anchor_generator=dict(
            type='mmdefect.DefectAnchorGenerator',
            ratios=ratios,
            ratio_order='w/h',
            scales=[anchor_scale],
        ),
        loss_cls=dict(**focal, gamma=rpn_gamma, alpha=rpn_alpha, loss_weight=rpn_weight),
    ),
    roi_head=dict(
        bbox_head=dict(
            type='mmdefect.FocalBBoxHead',
            exclusive=exclusive,
            loss_cls=dict(**focal, gamma=roi_gamma, alpha=roi_alpha, loss_weight=roi_weight),
        )
    ),
    # Focal loss weighs all anchors; none are left out by chance.
    train_cfg=dict(rpn=dict(sampler=dict(_delete_=True, type='PseudoSampler'))),
)
