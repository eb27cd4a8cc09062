# RetinaNet with a ResNet-18 that looks at all views of a part, from random weights.
_base_ = ['./retinanet_r18_fpn.py', './cross_view_fusion.py']

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    type='mmdefect.MultiViewRetinaNet', fusion=dict(_base_.fusion, channels=_base_.channels)
)
