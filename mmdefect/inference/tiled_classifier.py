"""A classifier that scores whole images tile by tile, for evaluation with any config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.decision import Pooling
from mmdefect.errors import InputError, strict_keys
from mmdefect.geometry import TileGrid
from mmdefect.inference.tiled_scoring import TiledScoring
from mmdefect.inference.whole_images import name_as_inner, whole_image
from mmdefect.registry import MODELS

__all__ = ['TiledClassifier']


@MODELS.register_module()
@strict_keys
class TiledClassifier(BaseModel):
    """Wrap a classifier of tiles, so that validation and test score whole images.

    Training steps are those of the classifier: train it on tiles
    (:class:`mmdefect.datasets.TiledDataset` with
    :class:`mmdefect.datasets.BoxesToScores`) and validate it on whole images in one config.
    Weights have the names of the classifier's. The score of an image for a class is the
    ``pool``-th highest of its tiles' (:class:`mmdefect.decision.Pooling`).

    The test pipeline of the **data set** must not change the geometry of the image: it loads and
    packs. Steps such as ``Resize`` belong to ``pipeline``, which is run on each tile.

    Args:
        classifier (Mapping): Config of the classifier, such as
            ``dict(_scope_='mmpretrain', type='ImageClassifier', ...)`` with a head whose classes
            are sigmoids (``MultiLabelLinearClsHead``). ``_scope_`` keeps MMDetection's layers of
            the same name out.
        size (Sequence[int]): Width and height of a tile in pixels.
        overlap (float | Sequence[float]): Share of a tile that it has in common with the next one.
            Default 0.
        edge ('shift' | 'pad' | 'drop'): As of :class:`mmdefect.geometry.TileGrid`. Default
            ``'shift'``.
        pipeline (Sequence[Mapping]): The classifier's own test pipeline; steps that load or pack
            are left out. Default none.
        batch_size (int): Tiles in a batch. Default 16.
        pool (int): How many tiles must show a defect, from 1; of an image with fewer tiles all
            must. Default 1.

    Raises:
        InputError: An unknown or missing key, or a value out of range; in a test, an image whose
            geometry the pipeline of the data set has changed, or that no tile covers.

    Example:
        >>> TiledClassifier(classifier=dict(type='mmpretrain.ImageClassifier'), sise=(256, 256))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: TiledClassifier: unknown key 'sise'; did you mean 'size'?
    """

    def __init__(
        self,
        classifier: Mapping[str, Any],
        size: Sequence[int],
        overlap: float | Sequence[float] = 0.0,
        edge: str = 'shift',
        pipeline: Sequence[Mapping[str, Any]] = (),
        batch_size: int = 16,
        pool: int = 1,
    ) -> None:
        if isinstance(pool, bool) or not isinstance(pool, int) or pool < 1:
            raise InputError(
                f'TiledClassifier: pool must be a whole number of at least 1, got {pool!r}'
            )
        grid = TileGrid(size, overlap, edge)
        built = MODELS.build(dict(classifier))
        super().__init__(data_preprocessor=built.data_preprocessor)
        self.classifier = built
        self.pool = pool
        self._scoring = TiledScoring(built, grid, pipeline, batch_size)
        name_as_inner(self, 'classifier')

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """The classifier's own, without tiles; these are cut by :meth:`test_step`.

        Args:
            inputs (Tensor): Preprocessed images, shape (N, channels, h, w).
            data_samples (list | None): Their samples. Default None.
            mode (str): ``'loss'``, ``'predict'`` or ``'tensor'``. Default ``'tensor'``.

        Returns:
            Any: As of the classifier.
        """
        return self.classifier(inputs, data_samples, mode)

    def test_step(self, data: Mapping[str, Any]) -> list[Any]:
        """Score a batch of whole images through tiles.

        Args:
            data (Mapping): ``inputs``, images of shape (channels, h, w) as packed, and
                ``data_samples``.

        Returns:
            list[DetDataSample]: The samples with ``pred_score``, the score of the image per
            class, float32, shape (C,); and ``pred_tiles``, with ``bboxes``, ``xyxy`` in pixels,
            shape (T, 4), and ``scores``, shape (T, C). All on the CPU.

        Raises:
            InputError: An image is not as loaded, no tile covers it, or the model gives values
                that are not finite.
        """
        samples = data['data_samples']
        pairs = zip(data['inputs'], samples, strict=True)
        images = ((sample, whole_image(inputs, sample, self)) for inputs, sample in pairs)
        for sample, boxes, scores in self._scoring.stream(images):
            if not len(scores):
                raise InputError(
                    f'{sample.get("img_path")}: smaller than a tile, so that no tile shows it; set '
                    "edge='shift' of TiledClassifier"
                )
            if not scores.isfinite().all():
                raise InputError(
                    f'{sample.get("img_path")}: the model gives scores that are not finite; check '
                    'its weights'
                )
            pooling = Pooling(n=min(self.pool, len(scores)))
            sample.pred_score = torch.from_numpy(pooling.pool(scores.numpy()))
            sample.pred_tiles = InstanceData(bboxes=boxes, scores=scores)
        return list(samples)

    val_step = test_step
