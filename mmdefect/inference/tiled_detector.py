"""A detector that predicts whole images tile by tile, for evaluation with any config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask
from torch import Tensor

from mmdefect.errors import InputError, constructor_keys, reject_unknown_keys, strict_keys
from mmdefect.geometry import TileGrid
from mmdefect.inference.tile_merge import TileMerge
from mmdefect.inference.tiled_prediction import TiledPrediction
from mmdefect.inference.whole_images import name_as_inner, whole_image
from mmdefect.registry import MODELS
from mmdefect.structures import Detections

__all__ = ['TiledDetector']


@MODELS.register_module()
@strict_keys
class TiledDetector(BaseModel):
    """Wrap a detector, so that validation and test see whole images through tiles.

    Training steps are those of the detector: train it on tiles
    (:class:`mmdefect.datasets.TiledDataset`) and validate it on whole images in one config.
    Weights have the names of the detector's, so that a checkpoint of the one serves the other.
    All tiles of the images of a loader batch go through :class:`TiledPrediction`, as those of
    :class:`Inspector` do.

    The test pipeline of the **data set** must not change the geometry of the image: it loads and
    packs. Steps such as ``Resize`` belong to ``pipeline``, which is run on each tile.

    Args:
        detector (Mapping): Config of the detector.
        size (Sequence[int]): Width and height of a tile in pixels.
        overlap (float | Sequence[float]): Share of a tile that it has in common with the next one.
            Default 0.
        edge ('shift' | 'pad' | 'drop'): As of :class:`mmdefect.geometry.TileGrid`. Default
            ``'shift'``.
        pipeline (Sequence[Mapping]): The detector's own test pipeline; steps that load or pack are
            left out. Default none.
        batch_size (int): Tiles in a batch. Default 8.
        merge (Mapping | None): Arguments of :class:`TileMerge`. Default None: its defaults.
        full_image (Sequence[int] | None): Width and height in pixels that the image is scaled to
            fit into, to be predicted as a whole too. Default None.
        min_score (float): Detections below are dropped before merging. Default 0.

    Attributes:
        grid (TileGrid): The tiles; ``evaluation.json`` names them.

    Raises:
        InputError: An unknown or missing key, or a value out of range; in a test, an image whose
            geometry the pipeline of the data set has changed.

    Example:
        >>> TiledDetector(detector=dict(type='mmdet.RetinaNet'), sise=(256, 256))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: TiledDetector: unknown key 'sise'; did you mean 'size'?
    """

    def __init__(
        self,
        detector: Mapping[str, Any],
        size: Sequence[int],
        overlap: float | Sequence[float] = 0.0,
        edge: str = 'shift',
        pipeline: Sequence[Mapping[str, Any]] = (),
        batch_size: int = 8,
        merge: Mapping[str, Any] | None = None,
        full_image: Sequence[int] | None = None,
        min_score: float = 0.0,
    ) -> None:
        reject_unknown_keys('TiledDetector merge', merge or {}, constructor_keys(TileMerge))
        grid = TileGrid(size, overlap, edge)
        built = MODELS.build(dict(detector))
        super().__init__(data_preprocessor=built.data_preprocessor)
        self.detector = built
        self.grid = grid
        self._prediction = TiledPrediction(
            built,
            grid,
            pipeline,
            batch_size=batch_size,
            merge=TileMerge(**(merge or {})),
            full_image=full_image,
            min_score=min_score,
        )
        name_as_inner(self, 'detector')

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """The detector's own, without tiles; these are cut by :meth:`test_step`.

        Args:
            inputs (Tensor): Preprocessed images, shape (N, channels, h, w).
            data_samples (list[DetDataSample] | None): Their samples. Default None.
            mode (str): ``'loss'``, ``'predict'`` or ``'tensor'``. Default ``'tensor'``.

        Returns:
            Any: As of the detector.
        """
        return self.detector(inputs, data_samples, mode)

    def test_step(self, data: Mapping[str, Any]) -> list[Any]:
        """Predict a batch of whole images through tiles.

        Args:
            data (Mapping): ``inputs``, images of shape (channels, h, w) as packed, and
                ``data_samples``.

        Returns:
            list[DetDataSample]: The samples with ``pred_instances`` in pixels of the image, on
            the CPU: ``bboxes``, ``scores``, ``labels`` and, where the detector has masks,
            ``masks``, bool, shape (N, h, w).

        Raises:
            InputError: An image is not as loaded, or the model gives values that are not finite.
        """
        samples = data['data_samples']
        pairs = zip(data['inputs'], samples, strict=True)
        images = ((sample, whole_image(inputs, sample, self)) for inputs, sample in pairs)
        for sample, _, found, finite in self._prediction.stream(images):
            if not finite:
                raise InputError(
                    f'{sample.get("img_path")}: the model gives boxes or scores that are not '
                    'finite; check its weights'
                )
            sample.pred_instances = _instances(found, sample.ori_shape[:2])
        return list(samples)

    val_step = test_step


def _instances(found: Detections, shape: tuple[int, int]) -> InstanceData:
    instances = InstanceData(
        bboxes=torch.from_numpy(found.boxes),
        scores=torch.from_numpy(found.scores),
        labels=torch.from_numpy(found.labels),
    )
    if found.masks is not None:
        masks = torch.zeros(len(found), *shape, dtype=torch.bool)
        for mask, encoded in zip(masks, found.masks, strict=True):
            mask[:] = torch.from_numpy(coco_mask.decode(encoded)).bool()
        instances.masks = masks
    return instances
