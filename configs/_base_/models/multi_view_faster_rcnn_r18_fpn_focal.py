# Faster R-CNN R18-FPN with focal losses and narrow anchors that looks at all views of a part.
_base_ = ['./faster_rcnn_r18_fpn_focal.py', './cross_view_fusion.py']

# ---- rarely -----------------------------------------------------------------------------------
model = dict(type='mmdefect.MultiViewFasterRCNN', fusion=_base_.fusion)
