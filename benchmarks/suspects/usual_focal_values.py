# The values that RetinaNet's focal loss is known with, in both stages.
_base_ = ['./reference.py']
usual = dict(gamma=2.0, alpha=0.25, loss_weight=1.0)
model = dict(
    rpn_head=dict(loss_cls=dict(**usual)), roi_head=dict(bbox_head=dict(loss_cls=dict(**usual)))
)
