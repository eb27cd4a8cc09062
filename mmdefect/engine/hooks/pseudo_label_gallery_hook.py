"""Pictures of what the teacher says about unlabelled images."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from numpy.typing import NDArray

from mmdefect.drawing import PseudoLabelImage, draw_pseudo_labels
from mmdefect.engine.browse.views import to_picture
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.fileio import write_bytes
from mmdefect.registry import HOOKS
from mmdefect.wording import counted

__all__ = ['PseudoLabelGalleryHook']

_BRANCH = 'unsup_teacher'
_NAME = 'pseudo_labels'
_THRESHOLDS = ('initial', 'cls', 'rpn')
_LEGEND = (
    'Solid: boxes of the teacher. Behind the score: i, c, r: at least the threshold initial, cls, '
    'rpn.\nx: weight by the votes of the views; +: added where other views have it. '
    'Dashed: hidden ground truth, where known.'
)


@HOOKS.register_module()
class PseudoLabelGalleryHook(Hook):
    """Draw the unlabelled images of an iteration with the boxes of the teacher.

    Every ``interval`` iterations one sheet is written to ``WORK_DIR/pseudo_labels/iter_N.jpg``
    and handed to every back end of the visualiser: the images as the teacher sees them, with
    class, score, thresholds passed and weight of each box, and hidden ground truth dashed where
    the statistics of the model have it. Nothing is computed for it but the picture, on the first
    rank; views without defects that feed the fusion are left out.

    The model keeps what it shows in ``last_pseudo_labels``: a list of ``DetDataSample``, one per
    unlabelled image to inspect and in the order of the batch, with ``pred_instances`` (and
    ``gt_instances``) in the teacher's pixels.

    Args:
        interval (int): Iterations between two sheets, >= 1. Default 500.
        max_images (int): Images on a sheet, >= 1. Default 8.
        columns (int): Images in a row, >= 1. Default 4.
        cell (int): Longer side of an image on the sheet in pixels, >= 32. Default 320.
        **unknown: Refused.

    Raises:
        InputError: A key is unknown or a number too small.

    Example:
        >>> PseudoLabelGalleryHook(intervall=100)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: PseudoLabelGalleryHook: unknown key 'intervall'; did you mean \
'interval'?
    """

    priority = 'LOW'

    def __init__(
        self,
        interval: int = 500,
        max_images: int = 8,
        columns: int = 4,
        cell: int = 320,
        **unknown: Any,
    ) -> None:
        given = {'interval': interval, 'max_images': max_images, 'columns': columns, 'cell': cell}
        reject_unknown_keys('PseudoLabelGalleryHook', unknown, given)
        for name, value in given.items():
            least = 32 if name == 'cell' else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(
                    f'PseudoLabelGalleryHook: {name} must be an integer >= {least}, got {value!r}'
                )
        self.interval, self.max_images, self.columns, self.cell = given.values()

    def before_train(self, runner: Any) -> None:
        """Refuse a model that keeps no pseudo labels.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: The model has no ``last_pseudo_labels``.
        """
        model = _inner(runner.model)
        if not hasattr(model, 'last_pseudo_labels'):
            raise InputError(
                f'PseudoLabelGalleryHook: model {type(model).__name__} keeps no pseudo labels; use '
                'mmdefect.MultiViewSoftTeacher, or remove the hook'
            )

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Draw a sheet where one is due.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (Any): The batch, with the branch ``unsup_teacher``. Default None.
            outputs (dict | None): Empty after an iteration that was undone. Default None.
        """
        if (runner.iter + 1) % self.interval or not outputs or not is_main_process():
            return
        model = _inner(runner.model)
        # During the burn-in there is nothing new to show.
        if getattr(model, 'burning_in', False) or not model.last_pseudo_labels:
            return
        pictures = _inspected(data_batch)
        samples = model.last_pseudo_labels
        if len(pictures) != len(samples):
            runner.logger.warning(
                f'PseudoLabelGalleryHook: {counted(len(samples), "image")} with pseudo labels, but '
                f'{len(pictures)} in the batch; no sheet is drawn'
            )
            return
        chosen = zip(samples, pictures, strict=True)
        images = [_image(*pair) for pair in itertools.islice(chosen, self.max_images)]
        sheet = draw_pseudo_labels(
            images,
            _classes(model, runner),
            columns=self.columns,
            cell=self.cell,
            legend=f'Iteration {runner.iter + 1}. {_LEGEND}',
        )
        encoded = cv2.imencode('.jpg', sheet, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        path = Path(runner.work_dir) / _NAME / f'iter_{runner.iter + 1}.jpg'
        write_bytes(path, encoded.tobytes())
        picture = np.ascontiguousarray(sheet[..., ::-1])
        runner.visualizer.add_image(_NAME, picture, runner.iter + 1)


def _inner(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model


def _classes(model: Any, runner: Any) -> list[str]:
    known = (getattr(model, 'semi_train_cfg', None) or {}).get('classes')
    return [str(name) for name in known or runner.train_dataloader.dataset.metainfo['classes']]


def _inspected(data_batch: Any) -> list[NDArray[np.uint8]]:
    """The teacher's images before normalisation, without reference views."""
    images, samples = data_batch['inputs'][_BRANCH], data_batch['data_samples'][_BRANCH]
    return [
        to_picture(image, None)
        for image, sample in zip(images, samples, strict=True)
        if sample is not None and sample.get('view_role') != 'reference'
    ]


def _image(sample: Any, picture: NDArray[np.uint8]) -> PseudoLabelImage:
    height, width = sample.img_shape[:2]
    if picture.shape[:2] != (height, width):
        # The preprocessor has resized the batch.
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    found, truth = sample.pred_instances, sample.get('gt_instances')
    uses = {name: _array(found[f'for_{name}']) for name in _THRESHOLDS if f'for_{name}' in found}
    return PseudoLabelImage(
        picture,
        caption=_caption(sample),
        boxes=_array(found.bboxes),
        labels=_array(found.labels),
        scores=_array(found.scores),
        uses=uses,
        weights=_array(found.weights) if 'weights' in found else None,
        added=_array(found.added) if 'added' in found else None,
        truth=None if truth is None else _array(truth.bboxes).reshape(-1, 4),
        truth_labels=np.zeros(0, np.int64) if truth is None else _array(truth.labels),
    )


def _caption(sample: Any) -> str:
    name = Path(str(sample.get('img_path') or '')).name
    view = sample.get('view_id')
    return name if view is None else f'{name}, view {view}'


def _array(values: Any) -> NDArray[Any]:
    return getattr(values, 'tensor', values).detach().cpu().numpy()
