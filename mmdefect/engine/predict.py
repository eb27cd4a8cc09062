"""A trained model over image files, without runner, work dir or annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, Dataset

from mmdefect.compat import checkpoints
from mmdefect.engine.checkpoint_state import (
    checkpoint_classes,
    checkpoint_weights,
    neutral_parts,
    require_exact,
)
from mmdefect.engine.config_file import read_config
from mmdefect.errors import InputError
from mmdefect.structures import Detections

__all__ = ['TrainedModel', 'find_run', 'inner_dataset', 'load_model']

_LOADERS = ('test_dataloader', 'val_dataloader')


def find_run(run: Path) -> tuple[Path, Path]:
    """Find config and checkpoint of a training.

    Args:
        run (Path): Its work dir, or a checkpoint in it. Of a work dir ``best_*.pth`` is taken,
            the newest of several, else the newest ``*.pth``.

    Returns:
        tuple[Path, Path]: Config dump and checkpoint.

    Raises:
        InputError: There is no such folder or file, or one of the two is not in it.

    Example:
        >>> find_run(Path('none'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none: no such work dir or checkpoint; give the --work-dir of a \
training
    """
    if not run.exists():
        raise InputError(
            f'{run}: no such work dir or checkpoint; give the --work-dir of a training'
        )
    folder, checkpoint = (run, None) if run.is_dir() else (run.parent, run)
    if checkpoint is None:
        files = sorted(folder.glob('best_*.pth')) or sorted(folder.glob('*.pth'))
        if not files:
            raise InputError(f'{run}: no checkpoint (*.pth) in it; give the work dir of a training')
        checkpoint = max(files, key=lambda path: path.stat().st_mtime)
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        found = ', '.join(path.name for path in configs) or 'none'
        raise InputError(
            f'{folder}: must hold one config dump (*.py) beside {checkpoint.name}, found {found}'
        )
    return configs[0], checkpoint


class TrainedModel:
    """A detector with its weights and its test pipeline.

    Args:
        model (torch.nn.Module): The detector.
        pipeline (Sequence[Mapping]): Steps of the test pipeline; those that load annotations are
            left out.
        classes (Sequence[str]): Class names by label.
        batch_size (int): Images per step. Default 1.
        workers (int): Processes that load images. Default 0.

    Example:
        >>> TrainedModel(torch.nn.Identity(), [], ['rust']).classes
        ('rust',)
    """

    def __init__(
        self,
        model: torch.nn.Module,
        pipeline: Sequence[Mapping[str, Any]],
        classes: Sequence[str],
        batch_size: int = 1,
        workers: int = 0,
    ) -> None:
        self.model: Any = model
        # Built here, so that what upstream prints at its first import comes before the work.
        self.steps = Compose(
            [step for step in pipeline if not str(step['type']).endswith('LoadAnnotations')]
        )
        self.classes = tuple(classes)
        self.batch_size = batch_size
        self.workers = workers

    @torch.no_grad()
    def predict(self, paths: Sequence[Path]) -> Iterator[Detections]:
        """Detect in image files, one batch after the other.

        Args:
            paths (Sequence[Path]): Image files.

        Yields:
            Detections: Of each image, in order.

        Raises:
            InputError: An image cannot be read.
        """
        self.model.eval()
        loader = DataLoader(
            _Images(paths, self.steps),
            batch_size=self.batch_size,
            num_workers=self.workers,
            collate_fn=pseudo_collate,
        )
        for batch in loader:
            for sample in self.model.test_step(batch):
                found = sample.pred_instances.cpu()
                scores = found.scores.float().numpy()
                order = np.argsort(-scores, kind='stable')
                boxes = found.bboxes.float().numpy().reshape(-1, 4)
                yield Detections(boxes[order], found.labels.numpy()[order], scores[order])


class _Images(Dataset):
    """Image files through a pipeline."""

    def __init__(self, paths: Sequence[Path], steps: Compose) -> None:
        self.paths = [str(path) for path in paths]
        self.steps = steps

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        return self.steps({'img_path': self.paths[index], 'img_id': index, 'instances': []})


def load_model(config_file: Path | Config, checkpoint: Path) -> TrainedModel:
    """Build a detector and load its weights; code in the checkpoint is refused.

    Args:
        config_file (Path | Config): Its config, such as the dump in its work dir.
        checkpoint (Path): Its weights.

    Returns:
        TrainedModel: On the GPU where there is one.

    Raises:
        InputError: Config or checkpoint cannot be used, or do not belong together.

    Example:
        >>> load_model(Path('none.py'), Path('none.pth'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.py: no such file; give an existing config file
    """
    from mmdet.registry import MODELS

    config = config_file if isinstance(config_file, Config) else read_config(config_file)
    name = config.filename or 'the config'
    content = checkpoints.load(checkpoint, map_location='cpu')
    weights = checkpoint_weights(content, str(checkpoint))
    init_default_scope(config.get('default_scope', 'mmdet'))
    loader: Any = next((config[key] for key in _LOADERS if config.get(key)), {})
    dataset = inner_dataset(loader['dataset']) if loader else {}
    if not dataset.get('pipeline'):
        raise InputError(f'{name}: no test_dataloader with a pipeline; give a detector')
    named = (dataset.get('metainfo') or {}).get('classes')
    classes = checkpoint_classes(content) or tuple(named or ())
    if not classes:
        raise InputError(
            f'{checkpoint}: neither it nor {name} names its classes; set metainfo.classes'
        )
    model = MODELS.build(config.model)
    require_exact(model.state_dict(), weights, str(checkpoint), neutral_parts(model))
    model.load_state_dict(weights, strict=False)
    model.to(get_device())
    workers = min(2, int(loader.get('num_workers', 0)))
    return TrainedModel(
        model, dataset['pipeline'], classes, int(loader.get('batch_size', 1)), workers
    )


def inner_dataset(dataset: Mapping[str, Any]) -> Any:
    """Find the config of the data set inside wrappers.

    Args:
        dataset (Mapping): Config of a data set or a wrapper.

    Returns:
        Mapping: Of several the first.

    Example:
        >>> inner_dataset(dict(type='RepeatDataset', dataset=dict(type='CocoDataset')))
        {'type': 'CocoDataset'}
    """
    while True:
        if 'dataset' in dataset:
            dataset = dataset['dataset']
        elif dataset.get('datasets'):
            dataset = dataset['datasets'][0]
        else:
            return dataset
