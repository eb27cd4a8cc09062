# Strips of rolled steel in the format of Severstal: `mmdefect sample-data steel data/steel`.

# ---- often changed ----------------------------------------------------------------------------
data_root = '{{$MMDEFECT_STEEL:data/steel}}'  # holds train.csv, val.csv, test.csv, images/<split>/
tile_size = (256, 256)  # (w, h) in pixels of the strip
overlap = 0.5  # share of a tile that it has in common with the next one
batch_size = 16  # tiles per step
num_workers = 2  # loader processes

# ---- sometimes --------------------------------------------------------------------------------
defect_share = 0.5  # share of training tiles with a defect
min_visible = 0.3  # share of a defect from which a tile shows it; with less it is ignored
# Loaded strips kept while training, 1.2 MB each. Batches are mixed from them: of few strips, whose
# tiles are alike, BatchNorm would learn statistics that fit no other strip.
window = 256
strip_size = (1600, 256)  # (w, h) in pixels; run lengths mean nothing in another size
classes = ('pitted', 'crazing', 'scratch', 'patch')
max_dets = 100  # best-scored detections counted per strip and class; a model that keeps fewer
# (max_per_image of merge) is not counted beyond that
max_false_alarms = 100  # of 1,000 good strips, where the recall of defective ones is measured
on_error = 'raise'  # what a bad row or file does: 'raise' or 'drop'

# ---- rarely -----------------------------------------------------------------------------------
load = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]
# Nothing that could hide a defect: no rotation, no blur.
flip = dict(
    type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']
)
# Strips are packed as they are: whoever predicts them cuts the tiles.
pack = dict(type='mmdefect.PackInputs', meta_keys=('img_path', 'ori_shape', 'img_shape'))
reader = dict(type='mmdefect.SeverstalReader', size=strip_size)
dataset = dict(type='mmdefect.DefectDataset', metainfo=dict(classes=classes), on_error=on_error)
workers = dict(num_workers=num_workers, persistent_workers=num_workers > 0)
train_dataloader = dict(
    **workers,
    batch_size=batch_size,
    sampler=dict(type='mmdefect.TileSampler', batch_size=batch_size, defect_share=defect_share),
    dataset=dict(
        type='mmdefect.TiledDataset',
        dataset=dict(
            **dataset,
            reader=dict(
                **reader, source=data_root + '/train.csv', image_root=data_root + '/images/train'
            ),
            pipeline=load,
        ),
        size=tile_size,
        overlap=overlap,
        min_visible=min_visible,
        window=window,
        pipeline=[flip, dict(type='mmdefect.PackInputs')],
    ),
)
val_dataloader = dict(
    **workers,
    batch_size=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        reader=dict(**reader, source=data_root + '/val.csv', image_root=data_root + '/images/val'),
        test_mode=True,
        pipeline=[*load, pack],
    ),
)
test_dataloader = dict(
    **workers,
    batch_size=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **dataset,
        reader=dict(
            **reader, source=data_root + '/test.csv', image_root=data_root + '/images/test'
        ),
        test_mode=True,
        pipeline=[*load, pack],
    ),
)
part_metric = dict(type='mmdefect.PartMetric', max_false_alarms=max_false_alarms)
val_evaluator = [dict(type='mmdefect.DefectMetric', max_dets=max_dets), part_metric]
test_evaluator = val_evaluator
