# EfficientNet-B0 that says of each tile of a steel strip whether it shows a defect, from random
# weights, or from those that load_from names.
_base_ = [
    '../_base_/models/efficientnet_b0_tiles.py',
    '../_base_/datasets/steel.py',
    '../_base_/schedules/from_scratch.py',
    '../_base_/default_runtime.py',
]

# ---- often changed ----------------------------------------------------------------------------
scale = 0.5  # of tiles before the network sees them; 1 finds fainter defects and costs four times
lr = 1e-3  # peak learning rate, for batches of 16 tiles
# One class for defects of whatever kind. To tell them apart: the names of _base_/datasets/steel.py
# and single_class = False.
labels = ('defect',)
single_class = True
weights = 'auto'  # of defective and clean tiles in the loss: from the data, or such as (1.22, 0.85)
frozen_epochs = 1  # with pretrained weights: epochs in which only the head is trained
save_best = 'mmdefect/part_recall'  # where max_false_alarms of 1,000 good strips are flagged

# ---- sometimes --------------------------------------------------------------------------------
defect_share = 0.41  # share of training tiles with a defect; with 'auto' the weights follow it
brightness = contrast = 0.2  # largest change, as a share

# ---- rarely -----------------------------------------------------------------------------------
resize = dict(type='Resize', scale_factor=scale)
_base_.classifier.head.num_classes = len(labels)
model = dict(
    type='mmdefect.TiledClassifier',
    classifier=_base_.classifier,
    size=_base_.tile_size,
    overlap=_base_.overlap,
    pipeline=[resize],
    pool=_base_.pool,
)
truth = dict(metainfo=dict(classes=labels), single_class=single_class)
train_dataloader = dict(
    sampler=dict(defect_share=defect_share),
    dataset=dict(
        dataset=truth,
        pipeline=[
            _base_.flip,
            resize,
            dict(type='mmpretrain.ColorJitter', brightness=brightness, contrast=contrast),
            dict(type='mmdefect.BoxesToScores', num_classes=len(labels)),
            dict(type='mmpretrain.PackInputs', meta_keys=('img_path', 'tile', 'img_shape')),
        ],
    ),
)
val_dataloader = dict(dataset=truth)
test_dataloader = dict(dataset=truth)
val_evaluator = [_base_.part_metric]
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=16)
custom_hooks = _base_.custom_hooks + [
    dict(type='mmdefect.LabelWeightHook', weights=weights),
    dict(type='mmdefect.FreezeSchedule', epochs=frozen_epochs, parts=['classifier.backbone']),
]
# Frozen weights get no gradient, for which several processes would wait.
find_unused_parameters = True
default_hooks = dict(checkpoint=dict(save_best=save_best))
