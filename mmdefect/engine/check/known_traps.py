"""Settings of a config that are valid and do something else than most people expect."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdefect.engine.check.findings import Finding
from mmdefect.engine.config_options import ROOTS
from mmdefect.errors import nearest_name

__all__ = ['config_traps', 'nodes']

_DATA = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# Detections below this score are lost for every later decision.
_HIGH_SCORE = 0.05
# How alike a key must be to one that is read before it counts as misspelt.
_ALIKE = 0.85


def config_traps(config: Config) -> list[Finding]:
    """Look for known traps in the text of a config; nothing is built.

    Args:
        config (Config): The config.

    Returns:
        list[Finding]: What was found, in a fixed order.

    Example:
        >>> crop = dict(type='RandomCrop', crop_size=(64, 64))
        >>> loader = dict(dataset=dict(pipeline=[crop]))
        >>> traps = config_traps(Config(dict(model=dict(), train_dataloader=loader)))
        >>> traps[0].where, traps[0].cure
        ('train_dataloader.dataset.pipeline.0 (RandomCrop)', 'set allow_negative_crop=True')
    """
    return [finding for trap in _TRAPS for finding in trap(config)]


def nodes(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All dicts below a value of a config, with their dotted paths.

    Args:
        value (Any): Value of a config.
        path (str): Its own path.

    Yields:
        tuple[str, Mapping]: Path and dict, outer ones first.

    Example:
        >>> [path for path, _ in nodes(dict(a=[dict(b=1)]), 'model')]
        ['model', 'model.a.0']
    """
    if isinstance(value, Mapping):
        yield path, value
        for key, item in value.items():
            yield from nodes(item, f'{path}.{key}')
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from nodes(item, f'{path}.{number}')


def _typed(
    config: Config, roots: tuple[str, ...], *names: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Dicts whose ``type`` is one of the upstream names, whatever their scope."""
    for root in roots:
        for path, node in nodes(config.get(root), root):
            kind = node.get('type')
            kind = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
            scope, _, name = kind.rpartition('.')
            if name in names and scope != 'mmdefect':
                yield f'{path} ({name})', node


def _good_images_filtered(config: Config) -> Iterator[Finding]:
    for path, node in nodes(config.get('train_dataloader'), 'train_dataloader'):
        if (node.get('filter_cfg') or {}).get('filter_empty_gt'):
            yield Finding(
                'warning',
                f'{path}.filter_cfg.filter_empty_gt',
                'good images, without boxes, are dropped',
                'set filter_empty_gt=False',
            )


def _crop(config: Config) -> Iterator[Finding]:
    for path, node in _typed(config, ('train_dataloader',), 'RandomCrop'):
        if not node.get('allow_negative_crop', False):
            yield Finding(
                'warning',
                path,
                'images are dropped whenever the crop has no box, good images always',
                'set allow_negative_crop=True',
            )


def _filter_annotations(config: Config) -> Iterator[Finding]:
    for path, node in _typed(config, ('train_dataloader',), 'FilterAnnotations'):
        if node.get('keep_empty', True):
            yield Finding(
                'warning',
                path,
                'keep_empty=True (the default, its name is inverted) drops images that lose all '
                'their boxes',
                'set keep_empty=False',
            )


def _rand_augment(config: Config) -> Iterator[Finding]:
    for path, node in _typed(config, ('train_dataloader',), 'RandAugment'):
        kinds = {step.get('type'): step for _, step in nodes(node.get('aug_space', ()), '') if step}
        unsure = any(step.get('prob', 1.0) < 1 for step in kinds.values() if step)
        if node.get('aug_num', 2) == 1 and unsure:
            yield Finding(
                'warning',
                path,
                'aug_num=1 draws one augmentation, which then still has its own probability: '
                'many images stay as they are',
                'raise prob in aug_space',
            )
        if 'Posterize' in kinds and 'max_mag' not in kinds['Posterize']:
            yield Finding(
                'warning',
                path,
                'Posterize keeps 0 to 4 bits by default, which turns some images black',
                'set min_mag and max_mag, or leave it out',
            )


def _hsv_after_flip(config: Config) -> Iterator[Finding]:
    for path, node in nodes(config.get('train_dataloader'), 'train_dataloader'):
        steps = [str(step.get('type')) for step in node.get('pipeline') or () if step]
        names = [step.rpartition('.')[2] for step in steps]
        if 'RandomFlip' in names and 'YOLOXHSVRandomAug' in names[names.index('RandomFlip') :]:
            yield Finding(
                'problem',
                f'{path}.pipeline',
                'YOLOXHSVRandomAug fails on mirrored images with OpenCV 4.12',
                'put it before RandomFlip',
            )


def _focal_roi_head(config: Config) -> Iterator[Finding]:
    for path, node in nodes(config.model, 'model'):
        loss = node.get('loss_cls')
        if 'roi_head' not in path.split('.') or not isinstance(loss, Mapping):
            continue
        kind = str(loss.get('type'))
        ours = str(node.get('type')).startswith('mmdefect.')
        if not ours and kind.rpartition('.')[2] in ('FocalLoss', 'FocalCustomLoss'):
            yield Finding(
                'problem',
                f'{path}.loss_cls ({kind})',
                "MMDetection's RoI head trains this loss with sigmoids and predicts with softmax",
                "use type='mmdefect.FocalBBoxHead' with type='FocalLoss', or CrossEntropyLoss",
            )


def _two_batch_sizes(config: Config) -> Iterator[Finding]:
    loader = config.get('train_dataloader') or {}
    sampler = loader.get('sampler') or {}
    size = sampler.get('batch_size')
    if size is not None and size != loader.get('batch_size'):
        yield Finding(
            'problem',
            f'train_dataloader.sampler ({sampler.get("type")})',
            f'batch_size is {size} here and {loader.get("batch_size")} in the loader: batches '
            'do not hold the stated shares',
            'write one number in both places',
        )


def _scores(config: Config) -> Iterator[Finding]:
    for path, node in nodes(config.model, 'model'):
        score = node.get('score_thr')
        in_test = 'test_cfg' in path.split('.')
        if in_test and isinstance(score, (int, float)) and score >= _HIGH_SCORE:
            yield Finding(
                'warning',
                f'{path}.score_thr',
                f'detections below {score:g} are lost for every later threshold and for AP',
                'set .001',
            )


def _pretrained_grey(config: Config) -> Iterator[Finding]:
    for path, node in nodes(config.model, 'model'):
        weights = node.get('init_cfg')
        if (
            node.get('in_channels') == 1
            and isinstance(weights, Mapping)
            and str(weights.get('type')).endswith('Pretrained')
        ):
            yield Finding(
                'problem',
                f'{path}.init_cfg',
                'colour weights do not fit the first convolution of a grey model, which then '
                'stays random',
                'set init_cfg=None and give the file in load_from, where it is adapted',
            )


def _misspelt(config: Config) -> Iterator[Finding]:
    """Top-level keys next to nothing that is read."""
    for key, value in config.items():
        if key in ROOTS or not isinstance(value, (Mapping, list)):
            continue
        near = nearest_name(key, ROOTS, cutoff=_ALIKE)
        if near:
            yield Finding('problem', key, 'nothing reads this key', f'did you mean {near!r}?')


def _unread_variables(config: Config) -> Iterator[Finding]:
    """Variables of the config file itself: those of its bases have been used before."""
    path = Path(config.filename) if config.filename else None
    if path is None or path.suffix != '.py' or not path.is_file():
        return
    tree = ast.parse(path.read_text(encoding='utf-8'))
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    for statement in tree.body:
        for target in statement.targets if isinstance(statement, ast.Assign) else ():
            name = target.id if isinstance(target, ast.Name) else ''
            value = config.get(name)
            if name in ROOTS or name.startswith('_') or name in used or value is None:
                continue
            # Dicts merge into those of a base, and a base may have made something of them.
            if isinstance(value, Mapping):
                continue
            yield Finding(
                'problem',
                name,
                f'set in {path.name}, and nothing reads it: what a base makes of its own {name!r} '
                'is made before',
                f'use {name} in this file, in the loaders, the model or the schedule',
            )


_TRAPS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    _misspelt,
    _unread_variables,
    _good_images_filtered,
    _crop,
    _filter_annotations,
    _rand_augment,
    _hsv_after_flip,
    _focal_roi_head,
    _two_batch_sizes,
    _scores,
    _pretrained_grey,
)
