# Faster R-CNN R18-FPN on the 113 labelled images of NEU-DET, from random weights: what the soft
# teacher of the same name is compared with.
_base_ = [
    '../_base_/models/faster_rcnn_r18_fpn.py',
    '../_base_/datasets/neu_det_10pct.py',
    '../_base_/schedules/iterations.py',
    '../_base_/iterations_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
lr = 5e-4  # peak learning rate, for 4 labelled images per step

# ---- rarely -----------------------------------------------------------------------------------
model = dict(roi_head=dict(bbox_head=dict(num_classes=len(_base_.classes))))
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=_base_.batch_size)
