"""Writes beside the checkpoints which images a model has seen in training."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper

from mmdefect.datasets.labelled_boxes import leaves
from mmdefect.decision import TrainingManifest
from mmdefect.decision.training_manifest import TRAINING_MANIFEST
from mmdefect.errors import reject_unknown_keys
from mmdefect.fileio import file_sha256
from mmdefect.registry import HOOKS
from mmdefect.wording import counted

__all__ = ['TrainingManifestHook', 'manifest_of', 'names_parts']

# Weights that come from these were trained on public data sets.
_PUBLISHED = (
    'torchvision://', 'modelzoo://', 'open-mmlab://', 'openmmlab://', 'mmcls://',
    'https://download.openmmlab.com/', 'https://download.pytorch.org/',
)  # fmt: skip


@HOOKS.register_module()
class TrainingManifestHook(Hook):
    """Write ``training_manifest.json`` into the folder of the checkpoints before a training.

    It holds the SHA-256 of every training image, labelled or not, of all sources, and the part
    ids of those that have one. ``tools/test.py --out`` puts it into results files, so that
    ``mmdefect thresholds`` refuses parts that the model was trained on. Each file is read once,
    before the first iteration, by the first rank.

    A manifest is about all checkpoints of its folder and everything they have ever seen. So it
    takes in those of the checkpoints that are in the folder already, that are resumed, and that
    the training starts from (``load_from``, and ``init_cfg`` of parts of the model). Published
    weights (``torchvision://``, ``open-mmlab://``, ``download.openmmlab.com``,
    ``download.pytorch.org``) have seen none of your images. Where other weights have no manifest
    beside them the new one says that it is not complete, and whether calibration parts were
    trained on is unknown.

    Args:
        **unknown: Refused.

    Example:
        >>> TrainingManifestHook().priority
        'LOWEST'
    """

    # After CheckpointHook, which finds out where it saves.
    priority = 'LOWEST'

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('TrainingManifestHook', unknown, ())

    @master_only
    def before_train(self, runner: Any) -> None:
        """Hash the images and write the manifest.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: A manifest beside earlier weights is damaged, or the folder cannot be
                written.
        """
        begin = time.monotonic()
        folder = _checkpoint_folder(runner)
        manifest = manifest_of(runner.train_dataloader.dataset)
        for name, earlier in _earlier(runner, folder):
            if earlier is None:
                earlier = TrainingManifest(images=(), complete=False)
                runner.logger.warning(
                    f'{name}: no {TRAINING_MANIFEST} beside it, so nobody knows what it was '
                    'trained on; thresholds of this model will say that overlap is unknown'
                )
            manifest = manifest.union(earlier)
        manifest.save(folder / TRAINING_MANIFEST)
        runner.logger.log(
            logging.INFO if manifest.complete else logging.WARNING,
            f'{folder / TRAINING_MANIFEST}: {counted(len(manifest.images), "image")}, '
            f'{counted(len(manifest.parts), "part id")}'
            f'{"" if manifest.complete else ", not complete"} ({time.monotonic() - begin:.1f} s)',
        )


def manifest_of(dataset: Any) -> TrainingManifest:
    """List what a data set shows a model.

    Args:
        dataset (Dataset): A data set, or a wrapper of several, with ``get_data_info``.

    Returns:
        TrainingManifest: Sorted; not complete if a data set does not tell its image files, or
        they are no files of this machine. Files that cannot be read are left out.

    Example:
        >>> manifest_of(range(3))
        TrainingManifest(format='mmdefect-training/1', images=(), parts=(), complete=False)
    """
    paths: set[str] = set()
    parts: set[str] = set()
    complete = True
    for _, leaf in leaves(dataset, ''):
        if not hasattr(leaf, 'get_data_info'):
            complete = False
            continue
        named = names_parts(leaf)
        for index in range(len(leaf)):
            for view in _views(leaf.get_data_info(index)):
                path = view.get('img_path')
                if path is None or '://' in str(path):
                    complete = False
                else:
                    paths.add(str(path))
                if named and view.get('part_id') is not None:
                    parts.add(str(view['part_id']))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        hashes = set(threads.map(_hash, sorted(paths))) - {''}
    return TrainingManifest(images=sorted(hashes), parts=sorted(parts), complete=complete)


def names_parts(dataset: Any) -> bool:
    """Say whether the part ids of a data set mean the same outside it.

    Args:
        dataset (Dataset): A data set.

    Returns:
        bool: False where each image is its own part, numbered within its file.

    Example:
        >>> names_parts(range(3))
        True
    """
    return getattr(getattr(dataset, 'grouping', None), 'group_by', None) != 'image'


def _views(info: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return info.get('views', (info,))


def _hash(path: str) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ''


def _checkpoint_folder(runner: Any) -> Path:
    for hook in runner.hooks:
        folder = getattr(hook, 'out_dir', None)
        if isinstance(hook, CheckpointHook) and folder and '://' not in str(folder):
            return Path(folder)
    return Path(runner.work_dir)


def _earlier(runner: Any, folder: Path) -> Iterator[tuple[str, TrainingManifest | None]]:
    """Name and manifest of whatever was trained before and is not published."""
    if any(folder.glob('*.pth')):
        yield f'{folder}/*.pth', TrainingManifest.beside(folder / 'any.pth')
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    starts = [runner._load_from]
    for module in model.modules():
        configs = getattr(module, 'init_cfg', None)
        for config in configs if isinstance(configs, (list, tuple)) else (configs,):
            if isinstance(config, Mapping) and config.get('type') == 'Pretrained':
                starts.append(config.get('checkpoint'))
    for start in dict.fromkeys(str(start) for start in starts if start):
        if start.startswith(_PUBLISHED) or Path(start).resolve().parent == folder.resolve():
            continue
        yield start, None if '://' in start else TrainingManifest.beside(start)
