"""A classifier whose answer anyone can compute: how bright the brightest pixel of a tile is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.registry import MODELS

from mmdefect.geometry import TileGrid
from mmdefect.inference import TiledClassifier

WRONG = float('nan')


@MODELS.register_module(force=True)
class BrightClassifier(BaseModel):
    def __init__(self, broken=False):
        super().__init__(data_preprocessor=BaseDataPreprocessor())
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.broken = broken
        self.batches = []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return {'loss': (self.scale * inputs.float().mean()).sum()}
        self.batches.append(len(inputs))
        logits = inputs[:, :2].float().amax((2, 3)) / 64 - 2
        return logits * (WRONG if self.broken else self.scale)


def build(**options):
    options = {'size': (16, 12), **options}
    return TiledClassifier(
        classifier=dict(type='mmengine.BrightClassifier', broken=options.pop('broken', False)),
        **options,
    ).eval()


def pack(*images, **meta):
    samples = [
        DetDataSample(metainfo=dict(img_path=f'{number}.png', ori_shape=image.shape[:2], **meta))
        for number, image in enumerate(images)
    ]
    tensors = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
    return {'inputs': tensors, 'data_samples': samples}


@pytest.fixture(scope='module')
def images():
    generator = np.random.default_rng(0)
    sizes = [(12, 16), (5, 7), (1, 1), (13, 17), (40, 61)]
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


@pytest.mark.parametrize('edge', ['shift', 'pad'])
@pytest.mark.parametrize('pool', [1, 3])
def test_equals_a_loop_over_tiles(images, edge, pool):
    grid = TileGrid((16, 12), 0.5, edge)
    for batch_size in (1, 3, 50):
        model = build(overlap=0.5, edge=edge, pool=pool, batch_size=batch_size)
        samples = model.test_step(pack(*images))
        assert max(model.classifier.batches) <= batch_size
        for image, sample in zip(images, samples, strict=True):
            boxes = grid.boxes(image.shape[1], image.shape[0])
            tiles = [image[y1:y2, x1:x2, :2] for x1, y1, x2, y2 in boxes.tolist()]
            brightest = np.array([tile.max((0, 1)) for tile in tiles], np.float32)
            expected = 1 / (1 + np.exp(2 - brightest / 64))
            assert sample.pred_tiles.bboxes.tolist() == boxes.tolist()
            np.testing.assert_allclose(sample.pred_tiles.scores.numpy(), expected, atol=1e-6)
            pooled = np.sort(expected, axis=0)[-min(pool, len(tiles))]
            np.testing.assert_allclose(sample.pred_score.numpy(), pooled, atol=1e-6)
            assert sample.pred_score.dtype == torch.float32


def test_training_and_weights_are_those_of_the_classifier():
    model = build()
    assert list(model.state_dict()) == ['scale']
    model.load_state_dict({'scale': torch.tensor([2.0, 3.0])})
    assert model.classifier.scale.tolist() == [2, 3]
    batch = {'inputs': torch.ones(1, 3, 4, 4), 'data_samples': None}
    assert model(**batch, mode='loss')['loss'].item() == 5
    assert model(batch['inputs']).shape == (1, 2)


def test_unusable_images_and_scores(images):
    with pytest.raises(ValueError, match='0.png: .* scores that are not finite'):
        build(broken=True).test_step(pack(images[0]))
    with pytest.raises(ValueError, match="1.png: smaller than a tile.*edge='shift'"):
        build(edge='drop').test_step(pack(images[0], images[1]))
    data = pack(images[0], flip=True)
    with pytest.raises(ValueError, match="move Resize .* 'pipeline' of mmdefect.TiledClassifier"):
        build().test_step(data)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(pool=0), 'pool must be'), (dict(pool=True), 'pool must be'),
        (dict(batch_size=0), 'batch_size must be'), (dict(size=(0, 4)), 'size must be'),
        (dict(poool=2), "unknown key 'poool'; did you mean 'pool'"),
    ],
)  # fmt: skip
def test_values_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        build(**options)
