# RTMDet-tiny on NEU-DET, starting from COCO weights.
# The log lists what was loaded, what was mapped by class name and what starts fresh.
_base_ = ['./rtmdet_tiny_neu-det.py']

# ---- often changed ----------------------------------------------------------------------------
lr = 4e-4  # peak learning rate, for batches of 8 images
max_epochs = 20  # passes over the training set
# A path or a URL; without a network: --cfg-options load_from=weights.pth
load_from = 'https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth'  # noqa: E501

# ---- rarely -----------------------------------------------------------------------------------
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=lr))
