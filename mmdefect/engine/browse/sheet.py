"""The contact sheet: every branch of every sample, with its boxes and what they are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import DATASETS, MODELS, init_default_scope
from numpy.typing import NDArray

from mmdefect.datasets.seeded_draw import seeded
from mmdefect.drawing import contact_sheet, draw_boxes
from mmdefect.engine.browse.samples import Sample, choose_samples, draw_sample
from mmdefect.engine.browse.views import ModelView, split_views, to_model
from mmdefect.errors import InputError
from mmdefect.wording import counted

__all__ = ['BrowseSheet', 'browse']

# Bounds memory: about 0.4 MB per cell.
_MOST_CELLS = 600
_LARGEST_CELL = 320
_COLUMNS = 4
# So many images stand in one row; so many draws of one image do.
_ONE_ROW = 6
_MOST_COLUMNS = 8


@dataclass(frozen=True)
class BrowseSheet:
    """What a model sees, as one picture.

    Args:
        picture (NDArray[np.uint8]): BGR, ``(h, w, 3)``.
        summary (str): Images, good images, boxes and sizes in one line.

    Example:
        >>> BrowseSheet(np.zeros((1, 1, 3), np.uint8), '0 images').summary
        '0 images'
    """

    picture: NDArray[np.uint8]
    summary: str


def browse(
    config: Config,
    split: str = 'train',
    *,
    images: int = 12,
    repeats: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> BrowseSheet:
    """Draw samples of a config as they reach the model.

    Images are chosen at random, equally from the parts of a concatenated data set, and go through
    pipeline and data preprocessor in the loader's batch size; normalisation is undone exactly.
    A pipeline that ends in ``MultiBranch`` gives one row per branch, the branches of one image
    below each other. Boxes are solid, ignored ones dashed.

    Args:
        config (Config): Config of a detector.
        split (str): ``train``, ``val`` or ``test``. Default ``train``.
        images (int): Images to draw, 1 or more; fewer where the data set has no more. Default 12.
        repeats (int): How often each image is drawn, with other random numbers. Default 1.
        seed (int): Seed of choice and augmentation. Default 0.
        progress (Callable[[int, int], None] | None): Called with samples done and all of them.
            Default None.

    Returns:
        BrowseSheet: Picture and summary.

    Raises:
        InputError: The config has no such data, numbers are too small or too large, or data or
            preprocessor cannot be used.

    Example:
        >>> browse(Config(dict(model=dict())), 'test')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: the config has no test_dataloader; choose another split
    """
    loader = config.get(f'{split}_dataloader')
    if not loader:
        raise InputError(f'the config has no {split}_dataloader; choose another split')
    for name, value in (('images', images), ('repeats', repeats)):
        if value < 1:
            raise InputError(f'{name} must be 1 or more, got {value}')
    if images * repeats > _MOST_CELLS:
        raise InputError(
            f'{images} images x {repeats} repeats are more than the {_MOST_CELLS} pictures of one '
            'sheet; ask for fewer'
        )
    init_default_scope(config.get('default_scope') or 'mmdet')
    dataset = DATASETS.build(loader.dataset)
    preprocessor, rgb_input = _preprocessor(config)
    chosen = choose_samples(dataset, images, seed)
    samples = []
    for index in chosen:
        for repeat in range(repeats):
            samples.append(draw_sample(dataset, index, repeat, seed))
            if progress is not None:
                progress(len(samples), len(chosen) * repeats)
    groups: dict[tuple[str, ...], list[Sample]] = {}
    for sample in samples:
        groups.setdefault(_branches(sample), []).append(sample)
    longest = max(map(len, groups.values()))
    columns = min(repeats, _MOST_COLUMNS) if repeats > 1 else _columns(longest)
    size = int(loader.get('batch_size') or 1)
    seen: list[dict[str, ModelView]] = []
    rows = []
    with seeded(seed):
        for group in groups.values():
            batches = [group[start : start + size] for start in range(0, len(group), size)]
            views = _through(preprocessor, batches, split == 'train', rgb_input)
            seen += views
            rows += _rows(views, columns)
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
    picture = _draw(rows, columns, classes)
    return BrowseSheet(picture, _summary(seen, len(chosen), repeats, classes))


def _through(
    preprocessor: Any, batches: Sequence[Sequence[Sample]], training: bool, rgb_input: bool
) -> list[dict[str, ModelView]]:
    """What the preprocessor makes of batches of one kind."""
    # BatchSyncRandomResize leaves its first batch as it is and draws a size for the next one in
    # every interval-th iteration. This is one, and the first batch goes through twice.
    MessageHub.get_current_instance().update_info('iter', -1)
    if training and getattr(preprocessor, 'batch_augments', None):
        to_model(copy.deepcopy(batches[0]), preprocessor, training=True)
    return [
        view
        for batch in batches
        for view in to_model(batch, preprocessor, training=training, rgb_input=rgb_input)
    ]


def _columns(longest: int) -> int:
    return longest if longest <= _ONE_ROW else _COLUMNS


def _branches(sample: Sample) -> tuple[str, ...]:
    return tuple(split_views(sample))


def _preprocessor(config: Config) -> tuple[Any, bool]:
    """The preprocessor of one branch, and whether its input is RGB."""
    settings = config.model.get('data_preprocessor')
    if settings is None:
        settings = dict(type='BaseDataPreprocessor')
    # Of a semi-supervised detector: one preprocessor for all branches.
    while isinstance(settings.get('data_preprocessor'), dict):
        settings = settings['data_preprocessor']
    return MODELS.build(settings), bool(settings.get('rgb_to_bgr', False))


def _rows(views: Sequence[dict[str, ModelView]], columns: int) -> list[list[ModelView]]:
    """Rows of at most ``columns`` cells, the branches of one sample below each other."""
    rows = []
    for start in range(0, len(views), columns):
        part = views[start : start + columns]
        rows += [[view[branch] for view in part] for branch in part[0]]
    return rows


def _draw(
    rows: Sequence[Sequence[ModelView]], columns: int, classes: Sequence[str]
) -> NDArray[np.uint8]:
    columns = min(columns, max(map(len, rows)))
    longest = max(max(view.picture.shape[:2]) for row in rows for view in row)
    # Small images are enlarged by a whole number.
    side = min(longest * max(1, _LARGEST_CELL // longest), _LARGEST_CELL)
    cells, captions = [], []
    blank = np.full((1, 1, 3), 255, np.uint8)
    for row in rows:
        for view in row:
            cells.append(_cell(view, side, classes))
            height, width = view.picture.shape[:2]
            title = ' '.join(part for part in (view.branch, Path(view.path).name) if part)
            captions.append(f'{title}\n{view.state}, {width} x {height}')
        empty = columns - len(row)
        cells += [blank] * empty
        captions += [''] * empty
    return contact_sheet(cells, columns, cell=(side, side), captions=captions)


def _cell(view: ModelView, side: int, classes: Sequence[str]) -> NDArray[np.uint8]:
    """The picture at its size on the sheet, so that lines and names stay readable."""
    height, width = view.picture.shape[:2]
    scale = min(side / width, side / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    picture = cv2.resize(view.picture, size, interpolation=method)
    if len(view.ignored):
        zeros = np.zeros(len(view.ignored), np.int64)
        picture = draw_boxes(picture, view.ignored * scale, zeros, dashed=True, thickness=1)
    if view.boxes is None or not len(view.boxes):
        return picture
    names = [str(name) for name in classes] or None
    return draw_boxes(picture, view.boxes * scale, view.labels, classes=names, font_scale=0.4)


def _summary(
    seen: Sequence[dict[str, ModelView]], chosen: int, repeats: int, classes: Sequence[str]
) -> str:
    views = [view for item in seen for view in item.values()]
    counts = np.zeros(len(classes), np.int64)
    for view in views:
        counts += np.bincount(view.labels, minlength=len(classes))[: len(classes)]
    boxes = ', '.join(f'{name} {count}' for name, count in zip(classes, counts, strict=True))
    sizes = sorted({view.picture.shape[1::-1] for view in views})
    shown = f'{sizes[0][0]} x {sizes[0][1]}'
    if len(sizes) > 1:
        shown += f' to {sizes[-1][0]} x {sizes[-1][1]}'
    channels = '/'.join(str(number) for number in sorted({view.channels for view in views}))
    branches = sorted({view.branch for view in views if view.branch})
    good = sum(view.state == 'good' for view in views)
    what = 'showing' if any(view.classified for view in views) else 'boxes'
    return (
        counted(chosen, 'image')
        + (f' x {repeats} draws' if repeats > 1 else '')
        + (f', branches {", ".join(branches)}' if branches else '')
        + f': {counted(len(views), "picture")}, {good} of them good, {what}: {boxes}; '
        f'inputs {shown} pixels (w x h), {channels} channel{"" if channels == "1" else "s"}'
    )
