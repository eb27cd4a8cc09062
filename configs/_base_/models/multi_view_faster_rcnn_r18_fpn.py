# Faster R-CNN with a ResNet-18 that looks at all views of a part, from random weights.
_base_ = ['./faster_rcnn_r18_fpn.py', './cross_view_fusion.py']

# ---- rarely -----------------------------------------------------------------------------------
model = dict(type='mmdefect.MultiViewFasterRCNN', fusion=_base_.fusion)
