# What lets a detector look at all views of a part; its base puts it in.

# ---- often changed ----------------------------------------------------------------------------
tokens = 256  # per view and level that the views exchange, 'all' for each pixel of the feature maps

# ---- sometimes --------------------------------------------------------------------------------
num_views = 8  # view ids, from 0, with a learned vector of their own
gradient_checkpointing = False  # True: less memory of the fusion in training for more time

# ---- rarely -----------------------------------------------------------------------------------
fusion = dict(
    type='mmdefect.CrossViewFusion',
    channels=256,
    num_levels=5,
    tokens=tokens,
    num_views=num_views,
    gradient_checkpointing=gradient_checkpointing,
)
