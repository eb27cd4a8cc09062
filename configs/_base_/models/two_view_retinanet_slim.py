# RetinaNet R18-FPN for boards beside their templates, slim enough for two cores.
_base_ = ['./multi_view_retinanet_r18_fpn.py']

# ---- often changed ----------------------------------------------------------------------------
anchor_scale = 2  # side of the smallest anchor in strides: 16 px on the finest level

# ---- sometimes --------------------------------------------------------------------------------
channels = 64  # of FPN, head and fusion

# ---- rarely -----------------------------------------------------------------------------------
model = dict(
    neck=dict(out_channels=channels),
    bbox_head=dict(
        in_channels=channels,
        feat_channels=channels,
        anchor_generator=dict(octave_base_scale=anchor_scale),
    ),
    fusion=dict(channels=channels, num_views=2),
)
