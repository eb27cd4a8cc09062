# RetinaNet R18-FPN on DeepPCB, trained on tiles, evaluated on whole boards through tiles.
_base_ = ['../retinanet/retinanet_r18_fpn_deep-pcb.py']

# ---- often changed ----------------------------------------------------------------------------
tile_size = (256, 256)  # (w, h) in pixels of the board
overlap = 0.25  # share of a tile that it has in common with the next one
defect_share = 0.5  # share of training tiles with a defect

# ---- sometimes --------------------------------------------------------------------------------
min_visible = 0.3  # share of a box from which a tile shows it; with less it is ignored
window = 32  # loaded images kept while training
merge = dict(method='nms', metric='iou', threshold=0.5, max_per_image=_base_.max_dets)

# ---- rarely -----------------------------------------------------------------------------------
# Tiles are seen pixel by pixel; `pipeline=_base_.test_pipeline` would bring them to image_size.
model = dict(
    _delete_=True,
    type='mmdefect.TiledDetector',
    detector=_base_.model,
    size=tile_size,
    overlap=overlap,
    merge=merge,
)
load = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]
train_dataloader = dict(
    _delete_=True,
    **_base_.loader,
    sampler=dict(
        type='mmdefect.TileSampler', batch_size=_base_.batch_size, defect_share=defect_share
    ),
    dataset=dict(
        type='mmdefect.TiledDataset',
        dataset=dict(
            **_base_.dataset, reader=dict(**_base_.reader, list_file='train.txt'), pipeline=load
        ),
        size=tile_size,
        overlap=overlap,
        min_visible=min_visible,
        window=window,
        pipeline=[
            dict(
                type='RandomFlip',
                prob=[0.25, 0.25, 0.25],
                direction=['horizontal', 'vertical', 'diagonal'],
            ),
            dict(type='mmdefect.PackInputs'),
        ],
    ),
)
pack = dict(type='mmdefect.PackInputs', meta_keys=('img_path', 'ori_shape', 'img_shape'))
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=[*load, pack]))
test_dataloader = val_dataloader
