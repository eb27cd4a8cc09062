"""Image files in, lines of a results file out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate

from mmdefect.decision import ImageScores
from mmdefect.engine.precision import autocast_layers, low_precision
from mmdefect.engine.predict import TrainedModel
from mmdefect.errors import InputError
from mmdefect.evaluation.sample_scores import score_sample
from mmdefect.fileio import file_sha256
from mmdefect.inference.inspector import Inspector
from mmdefect.structures import InspectedImage

__all__ = ['ImageScorer', 'ScoredFile', 'require_single_views']

_Scorer = Callable[[Iterable[str]], Iterator['ScoredFile']]


class ScoredFile(NamedTuple):
    """One image of :meth:`ImageScorer.score`.

    Attributes:
        path (str): As given.
        scores (ImageScores | None): What the model says; None where there is an error.
        error (str | None): Why the image could not be inspected; None if it was.
    """

    path: str
    scores: ImageScores | None
    error: str | None = None


def require_single_views(steps: Iterable[str]) -> None:
    """Refuse a test pipeline that takes parts of several views.

    Args:
        steps (Iterable[str]): Types of its steps.

    Raises:
        InputError: One is ``PerView``.

    Example:
        >>> require_single_views(['mmdefect.LoadImage'])
    """
    if any(step.rpartition('.')[2] == 'PerView' for step in steps):
        raise InputError(
            'the model looks at several views of a part at once, not at single images; score '
            'parts with `tools/test.py CONFIG CHECKPOINT --out FILE.jsonl` and decide with '
            'ThresholdPolicy.decide, see docs/choose-a-threshold.md'
        )


class _Loaded(NamedTuple):
    path: str
    sha256: str
    sample: Any
    error: str | None = None

    @property
    def shape(self) -> tuple[int, ...] | None:
        return None if self.error is not None else tuple(self.sample['inputs'].shape)


class ImageScorer:
    """Score image files with a trained model, in their order.

    Without an inspector, images go through the test pipeline of the config and the model's own
    ``test_step``, as ``tools/test.py`` runs it, so that scores agree with those that thresholds
    were chosen on; models that cut tiles themselves
    (:class:`~mmdefect.inference.TiledDetector`, :class:`~mmdefect.inference.TiledClassifier`) do
    so. The next images are loaded while the model works. An image that cannot be read, or that
    the model fails on, keeps its place with the reason.

    Args:
        model (TrainedModel): A model with its test pipeline.
        inspector (Inspector | None): Cuts tiles for a detector that cuts none; made with
            ``on_error='record'``. Default None.
        amp (bool): Layers compute in bfloat16 (float16 on GPUs without it); with an inspector its
            own ``amp`` counts. Default False.
        batch_size (int | None): Images of one shape in a batch. Default None, that of the config.

    Raises:
        InputError: The test pipeline takes parts of several views.

    Example:
        >>> scorer = ImageScorer(TrainedModel(torch.nn.Identity(), [], ['rust']))
        >>> list(scorer.score([]))
        []
    """

    def __init__(
        self,
        model: TrainedModel,
        inspector: Inspector | None = None,
        *,
        amp: bool = False,
        batch_size: int | None = None,
    ) -> None:
        require_single_views(type(step).__name__ for step in model.steps.transforms)
        self.model = model
        self.classes = model.classes
        self.amp = amp
        self.batch_size = batch_size or max(1, model.batch_size)
        self._inspector = inspector
        if inspector is None:
            model.model.eval().to(memory_format=torch.channels_last)

    def score(self, paths: Iterable[str]) -> Iterator[ScoredFile]:
        """Score images one after the other.

        Args:
            paths (Iterable[str]): Image files, read as they are needed.

        Yields:
            ScoredFile: Of each image, in order.
        """
        return self._tiled(paths) if self._inspector is not None else self._as_tested(paths)

    def pixels(self, path: str) -> np.ndarray:
        """Load an image as the model sees it, to be drawn into.

        Args:
            path (str): The file.

        Returns:
            np.ndarray: uint8, BGR, shape (h, w, 3).

        Raises:
            InputError: It cannot be read.
        """
        image = np.atleast_3d(self.model.steps.transforms[0]({'img_path': path})['img'])
        image = np.clip(image, 0, 255).astype(np.uint8)
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image

    def _tiled(self, paths: Iterable[str]) -> Iterator[ScoredFile]:
        digests: deque[str] = deque()

        def hashed() -> Iterator[str]:
            for path in paths:
                digests.append(_digest(path))
                yield path

        for found in self._inspector.inspect(hashed()):
            yield self._describe(found, digests.popleft())

    def _describe(self, found: InspectedImage, digest: str) -> ScoredFile:
        if found.error is not None or not digest:
            return ScoredFile(found.source, None, found.error or 'the file has gone')
        boxes = found.detections
        try:
            line = ImageScores.from_detections(
                found.source, digest, self.classes, boxes.labels, boxes.scores,
                boxes=np.round(boxes.boxes.astype(float), 2),
            )  # fmt: skip
        except InputError as error:
            return ScoredFile(found.source, None, str(error))
        return ScoredFile(found.source, line)

    def _as_tested(self, paths: Iterable[str]) -> Iterator[ScoredFile]:
        with closing(self._read_ahead(paths)) as images, self._precision():
            batch: list[_Loaded] = []
            for image in images:
                full = len(batch) == self.batch_size
                if batch and (full or image.shape is None or image.shape != batch[0].shape):
                    yield from self._predict(batch)
                    batch = []
                if image.error is None:
                    batch.append(image)
                else:
                    yield ScoredFile(image.path, None, image.error)
            if batch:
                yield from self._predict(batch)

    def _precision(self) -> AbstractContextManager[None]:
        if not self.amp:
            return nullcontext()
        device = next(self.model.model.parameters()).device.type
        return autocast_layers(self.model.model, device, low_precision(device))

    def _read_ahead(self, paths: Iterable[str]) -> Generator[_Loaded, None, None]:
        ahead: deque[Future[_Loaded]] = deque()
        with ThreadPoolExecutor(1) as thread:
            for path in paths:
                ahead.append(thread.submit(self._load, path))
                if len(ahead) > self.batch_size:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _load(self, path: str) -> _Loaded:
        try:
            sample = self.model.steps({'img_path': path, 'img_id': 0, 'instances': []})
            return _Loaded(path, file_sha256(path), sample)
        # A step of another package can raise anything.
        except Exception as error:
            return _Loaded(path, '', None, _reason(path, error))

    @torch.no_grad()
    def _predict(self, batch: list[_Loaded]) -> Iterator[ScoredFile]:
        try:
            samples = self.model.model.test_step(pseudo_collate([image.sample for image in batch]))
            lines = [
                score_sample(sample, self.classes, image.sha256, labelled=False)
                for sample, image in zip(samples, batch, strict=True)
            ]
        # What one image does to a model must not stop the line, nor let it pass.
        except Exception as error:
            if len(batch) > 1:
                for image in batch:
                    yield from self._predict([self._load(image.path)])
            else:
                yield ScoredFile(batch[0].path, None, _reason(batch[0].path, error))
            return
        for image, line in zip(batch, lines, strict=True):
            yield ScoredFile(image.path, line.model_copy(update={'image': image.path}))


def _digest(path: str) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ''


def _reason(path: str, error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, InputError) else f'{path}: cannot be inspected ({text})'
