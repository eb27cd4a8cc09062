# EfficientNet-B0 on tiles of steel strips, from ImageNet weights: the head first, then all of it.
_base_ = ['./efficientnet_b0_steel_tiles.py']

# ---- often changed ----------------------------------------------------------------------------
# A path or a URL; without a network: --cfg-options load_from=weights.pth
load_from = (
    'https://download.openmmlab.com/mmclassification/v0/efficientnet/'
    'efficientnet-b0_3rdparty_8xb32_in1k_20220119-a7e2a0b1.pth'
)
lr = 2e-4  # peak learning rate, for batches of 16 tiles
max_epochs = 8  # passes over the training set
val_interval = 1  # epochs between two validations

# ---- rarely -----------------------------------------------------------------------------------
optim_wrapper = dict(optimizer=dict(lr=lr))
train_cfg = dict(max_epochs=max_epochs, val_interval=val_interval)
