# The soft teacher of that detector, one threshold for all classes.
_base_ = ['../../configs/soft_teacher/soft_teacher_custom_multi_view_tiny.py']

channels = 64

model = dict(
    detector=dict(
        neck=dict(out_channels=channels),
        rpn_head=dict(in_channels=channels, feat_channels=channels),
        fusion=dict(channels=channels),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=channels),
            bbox_head=dict(in_channels=channels),
        ),
    )
)
