"""A trained detector over large images, whole batches of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from mmdefect.datasets import LoadImage
from mmdefect.engine.precision import autocast_layers, low_precision
from mmdefect.engine.predict import TrainedModel, load_model
from mmdefect.errors import InputError
from mmdefect.geometry import TileGrid
from mmdefect.inference.fold_batch_norms import fold_batch_norms
from mmdefect.inference.tile_merge import TileMerge
from mmdefect.inference.tiled_detector import TiledDetector
from mmdefect.inference.tiled_prediction import TiledPrediction, TiledResult
from mmdefect.structures import InspectedImage

__all__ = ['Inspector']

Source = str | Path | npt.NDArray[Any]


class _Image(NamedTuple):
    """What is known of an image before it is predicted."""

    name: str
    shape: tuple[int, ...]
    error: str | None


class Inspector:
    """Detect in images of any size, tile by tile.

    Tiles see the steps of the model's test pipeline, such as ``Resize``; the image itself is only
    loaded by it. Batches are filled across images, results come in the order of the images, and
    do not depend on the batch size beyond rounding. Memory: two decoded images (one is loaded
    while the other is cut), the file of the one that is loaded with what decodes it (in colour
    four bytes a pixel), four batches of tiles, what the model needs for one, and the boxes found.

    Args:
        model (TrainedModel): A detector with its test pipeline
            (:func:`mmdefect.engine.predict.load_model`).
        grid (TileGrid): Where tiles lie.
        batch_size (int): Tiles in a batch. Default 8.
        merge (TileMerge | None): How overlapping boxes are merged. Default None: its defaults.
        full_image (Sequence[int] | None): Width and height in pixels that each image is scaled to
            fit into, to be predicted as a whole beside its tiles, for objects larger than a tile.
            Default None: tiles only.
        min_score (float): Detections below are dropped before merging. Default 0.
        amp (bool): Layers compute in bfloat16 (float16 on GPUs without it). Default False.
        channels_last (bool): Run convolutions on channels-last memory; puts the weights of the
            model into that order. Default True.
        fold (bool): Work on a copy of the model whose batch normalisation is folded into its
            convolutions (:func:`mmdefect.inference.fold_batch_norms.fold_batch_norms`). Default
            True.
        on_error ('raise' | 'record'): Raise at the first image that cannot be inspected, or yield
            it with its ``error`` and go on. Default ``'raise'``.

    Raises:
        InputError: A value out of range, or a model that is tiled already.

    Example:
        >>> Inspector(TrainedModel(torch.nn.Identity(), [], ['rust']), TileGrid((64, 64)),
        ...           on_error='skip')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: on_error must be one of raise, record, got 'skip'
    """

    def __init__(
        self,
        model: TrainedModel,
        grid: TileGrid,
        *,
        batch_size: int = 8,
        merge: TileMerge | None = None,
        full_image: tuple[int, int] | None = None,
        min_score: float = 0.0,
        amp: bool = False,
        channels_last: bool = True,
        fold: bool = True,
        on_error: str = 'raise',
    ) -> None:
        if on_error not in ('raise', 'record'):
            raise InputError(f'on_error must be one of raise, record, got {on_error!r}')
        if isinstance(model.model, TiledDetector):
            raise InputError(
                'model: cuts tiles itself (mmdefect.TiledDetector); give the config of the '
                'detector inside'
            )
        self.classes = model.classes
        self.on_error = on_error
        self.amp = amp
        detector = model.model.eval()
        self.detector = fold_batch_norms(detector) if fold else detector
        if channels_last:
            self.detector.to(memory_format=torch.channels_last)
        self._load = model.steps.transforms[0] if model.steps.transforms else None
        self._prediction = TiledPrediction(
            self.detector,
            grid,
            model.steps.transforms,
            batch_size=batch_size,
            merge=merge,
            full_image=full_image,
            min_score=min_score,
        )

    @classmethod
    def from_files(
        cls, config: str | Path, checkpoint: str | Path, grid: TileGrid, **options: Any
    ) -> Inspector:
        """Build the detector of a config and load its weights.

        Args:
            config (str | Path): Config of the detector, such as the dump in its work dir.
            checkpoint (str | Path): Its weights.
            grid (TileGrid): Where tiles lie.
            **options: As of the class.

        Returns:
            Inspector: On the GPU where there is one.

        Raises:
            InputError: Config or checkpoint cannot be used, or a value is out of range.

        Example:
            >>> Inspector.from_files('none.py', 'none.pth', TileGrid((64, 64)))
            Traceback (most recent call last):
            ...
            mmdefect.errors.InputError: none.py: no such file; give an existing config file
        """
        return cls(load_model(Path(config), Path(checkpoint)), grid, **options)

    def inspect(
        self,
        images: Iterable[Source],
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[InspectedImage]:
        """Detect in images one after the other.

        Args:
            images (Iterable[str | Path | np.ndarray]): Image files, or upright BGR or grey
                arrays, uint8 or what the loading step of the pipeline takes, shape (h, w, 3) or
                (h, w); read as they are needed.
            progress (Callable | None): Called with the numbers of tiles and of images done so
                far, after each batch and each image. Default None.

        Yields:
            InspectedImage: Of each image, in order.

        Raises:
            InputError: An image cannot be read, or the model gives values that are not finite,
                and ``on_error`` is ``raise``.
        """
        self.detector.eval()
        done = [0, 0]

        def count(tiles: int, images: int) -> None:
            done[0] += tiles
            done[1] += images
            if progress is not None:
                progress(done[0], done[1])

        with ExitStack() as stack:
            if self.amp:
                device = next(self.detector.parameters()).device.type
                stack.enter_context(autocast_layers(self.detector, device, low_precision(device)))
            read = stack.enter_context(closing(self._read_ahead(images)))
            for result in self._prediction.stream(read, lambda tiles: count(tiles, 0)):
                inspected = _describe(result)
                if inspected.error is not None and self.on_error == 'raise':
                    raise InputError(inspected.error)
                count(0, 1)
                yield inspected

    def _read_ahead(
        self, images: Iterable[Source]
    ) -> Generator[tuple[_Image, npt.NDArray[Any] | None], None, None]:
        """Decode the next image while the model works on this one."""
        ahead: deque[Future[tuple[_Image, npt.NDArray[Any] | None]]] = deque()
        with ThreadPoolExecutor(1) as thread:
            for number, source in enumerate(images, start=1):
                ahead.append(thread.submit(self._read, number, source))
                if len(ahead) > 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _read(self, number: int, source: Source) -> tuple[_Image, npt.NDArray[Any] | None]:
        name = f'image {number}' if isinstance(source, np.ndarray) else str(source)
        try:
            pixels = self._pixels(source)
        # A loading step of another package can raise anything.
        except Exception as error:
            known = isinstance(error, InputError)
            why = str(error) if known else f'{name}: cannot be read ({error})'
            return _Image(name, (0, 0), why), None
        return _Image(name, pixels.shape[:2], None), pixels

    def _pixels(self, source: Source) -> npt.NDArray[Any]:
        is_array = isinstance(source, np.ndarray)
        if is_array and (source.ndim not in (2, 3) or not source.size):
            raise ValueError(f'must be of shape (h, w) or (h, w, channels), got {source.shape}')
        if is_array and not isinstance(self._load, LoadImage):
            return np.atleast_3d(source)
        if not type(self._load).__name__.startswith('Load'):
            raise InputError(
                'the test pipeline of the model must begin with a step that loads the image; put '
                "dict(type='mmdefect.LoadImage') first"
            )
        loaded = self._load(source if is_array else {'img_path': str(source)})
        return np.atleast_3d(loaded['img'])


def _describe(result: TiledResult[_Image]) -> InspectedImage:
    image, error = result.key, result.key.error
    if error is None and not result.finite:
        error = (
            f'{image.name}: the model gives boxes or scores that are not finite; check its '
            'weights, and try it without amp'
        )
    height, width = image.shape
    return InspectedImage(
        source=image.name,
        width=width,
        height=height,
        tiles=result.tiles,
        detections=result.detections,
        error=error,
    )
