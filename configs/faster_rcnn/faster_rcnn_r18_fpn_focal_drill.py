# Faster R-CNN R18-FPN with focal losses and anchors for narrow defects, on the generated drill
# bits, from random weights.
_base_ = [
    '../_base_/models/faster_rcnn_r18_fpn_focal.py',
    '../_base_/datasets/drill.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
lr = 5e-4  # peak learning rate, for batches of 8 images

# ---- rarely -----------------------------------------------------------------------------------
model = dict(roi_head=dict(bbox_head=dict(num_classes=len(_base_.classes))))
optim_wrapper = dict(optimizer=dict(lr=lr))
