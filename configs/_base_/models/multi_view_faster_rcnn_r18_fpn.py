# Faster R-CNN with a ResNet-18 that looks at all views of a part, from random weights.
_base_ = ['./faster_rcnn_r18_fpn.py']

# ---- often changed ----------------------------------------------------------------------------
tokens = 256  # per view and level, 'all' for each pixel of the feature maps

# ---- sometimes --------------------------------------------------------------------------------
num_views = 8  # view ids, from 0, with a learned vector of their own
gradient_checkpointing = False  # True: less memory of the fusion in training for more time

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    type='mmdefect.MultiViewFasterRCNN',
    fusion=dict(
        type='mmdefect.CrossViewFusion',
        channels=256,
        num_levels=5,
        tokens=tokens,
        num_views=num_views,
        gradient_checkpointing=gradient_checkpointing,
    ),
)
