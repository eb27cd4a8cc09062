# What benchmarks/suspects.py changes one thing of: focal Faster R-CNN, ratios as w/h, flips only.
# 64 channels instead of 256, so that a row takes minutes.
_base_ = ['../../configs/soft_teacher/supervised_custom_multi_view_tiny.py']

channels = 64

model = dict(
    neck=dict(out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    fusion=dict(channels=channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels),
        bbox_head=dict(in_channels=channels),
    ),
)
per_view = _base_.train_dataloader.dataset.pipeline[0]
per_view.transforms = [step for step in per_view.transforms if 'ColourSpace' not in step.type]
train_dataloader = dict(dataset=dict(pipeline=[per_view]))
