"""Traps that show only in the built model and the loaded data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmdefect.engine.check.data_counts import DataFlow
from mmdefect.engine.check.findings import Finding
from mmdefect.engine.check.known_traps import nodes

__all__ = ['data_traps', 'densest_image', 'hanging_sampler', 'model_traps']


def model_traps(model: torch.nn.Module, config: Config) -> list[Finding]:
    """Look at what trains and what does not.

    Args:
        model (nn.Module): The model in training mode, before its first step.
        config (Config): Its config.

    Returns:
        list[Finding]: What was found.

    Example:
        >>> model_traps(torch.nn.Linear(1, 1), Config(dict(model=dict())))
        []
    """
    student = getattr(model, 'student', model)
    return [*_frozen_random(student, config), *_teacher_statistics(student, config)]


def _frozen_random(model: torch.nn.Module, config: Config) -> Iterator[Finding]:
    backbone = getattr(model, 'backbone', None)
    if backbone is None or config.get('load_from') or config.get('resume'):
        return
    if any(
        isinstance(node.get('init_cfg'), Mapping)
        and str(node['init_cfg'].get('type')).endswith('Pretrained')
        for _, node in nodes(config.model, 'model')
    ):
        return
    weights = dict(backbone.named_parameters())
    frozen = [name for name, weight in weights.items() if not weight.requires_grad]
    # Frozen scales and shifts of BatchNorm are the identity; frozen filters are noise.
    if any(weights[name].dim() > 1 for name in frozen):
        yield Finding(
            'problem',
            'model.backbone.frozen_stages',
            f'{len(frozen)} of {len(weights)} backbone weights are frozen, but no weights are '
            'loaded: they stay random',
            'set frozen_stages=-1, or give load_from',
        )
    if getattr(backbone, 'norm_eval', False):
        yield Finding(
            'problem',
            'model.backbone.norm_eval',
            'BatchNorm keeps the statistics of weights that are not loaded',
            'set norm_eval=False, or give load_from',
        )


def _teacher_statistics(model: torch.nn.Module, config: Config) -> Iterator[Finding]:
    hooks = [*(config.get('custom_hooks') or ()), *(config.get('default_hooks') or {}).values()]
    for hook in hooks:
        kind = str((hook or {}).get('type', ''))
        if kind not in ('MeanTeacherHook', 'mmdet.MeanTeacherHook'):
            continue
        training = any(
            isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.training
            for module in model.modules()
        )
        if hook.get('skip_buffer', True) and training:
            yield Finding(
                'problem',
                'custom_hooks (MeanTeacherHook)',
                'the teacher never gets the BatchNorm statistics that its student learns, and '
                'finds nothing',
                'set skip_buffer=False',
            )


def data_traps(dataset: Any, flow: DataFlow) -> list[Finding]:
    """Compare a data set with what its file says.

    Args:
        dataset (Dataset): A data set that reads annotations.
        flow (DataFlow): Its counts.

    Returns:
        list[Finding]: What was found.

    Example:
        >>> data_traps(range(3), DataFlow('train', 3, 0, 3, 0, {'rust': 3}, 1))
        []
    """
    ids = getattr(dataset, 'cat_ids', None)
    if ids is None or not Path(str(getattr(dataset, 'ann_file', ''))).is_file():
        return []
    content = json.loads(Path(dataset.ann_file).read_text(encoding='utf-8'))
    known = {entry['id']: str(entry['name']) for entry in content['categories']}
    classes = [str(name) for name in dataset.metainfo.get('classes') or ()]
    names = [known[number] for number in ids]
    if names == classes:
        return []
    missing = [name for name in classes if name not in names]
    what = (
        f'class {missing[0]!r} is not in the file, and the labels of others shift'
        if missing
        else f'the file lists them as {", ".join(names)}: labels follow that order, not yours'
    )
    return [
        Finding(
            'problem',
            f'{flow.name} metainfo.classes',
            what,
            'use mmdefect.DefectDataset, which maps by name, or the order of the file',
        )
    ]


def densest_image(flows: Sequence[DataFlow], config: Config) -> list[Finding]:
    """Compare the most boxes of one image with what a model may return.

    Args:
        flows (Sequence[DataFlow]): Counts of all data sets.
        config (Config): The config.

    Returns:
        list[Finding]: One problem per limit that is too low.

    Example:
        >>> flow = DataFlow('val', 3, 0, 3, 0, {'rust': 150}, 120)
        >>> model = dict(test_cfg=dict(max_per_img=100))
        >>> print(densest_image([flow], Config(dict(model=model)))[0])
        model.test_cfg.max_per_img: an image of val has 120 boxes, 100 are returned; raise it
    """
    labelled = [flow for flow in flows if flow.labelled]
    if not labelled:
        return []
    worst = max(labelled, key=lambda flow: flow.densest)
    findings = []
    for path, node in nodes(config.model, 'model'):
        limit = node.get('max_per_img')
        # The proposals of an RPN are another matter.
        if 'test_cfg' not in path.split('.') or path.endswith('.rpn') or not limit:
            continue
        if 0 < limit < worst.densest:
            findings.append(
                Finding(
                    'problem',
                    f'{path}.max_per_img',
                    f'an image of {worst.name} has {worst.densest} boxes, {limit} are returned',
                    'raise it',
                )
            )
    return findings


def hanging_sampler(loader: Any) -> Finding | None:
    """Tell whether the sampler of a loader would wait for ever.

    Args:
        loader (DataLoader): The training loader, before it is asked for a batch.

    Returns:
        Finding | None: A problem, or None.

    Example:
        >>> hanging_sampler(torch.utils.data.DataLoader(range(3))) is None
        True
    """
    sampler = loader.sampler
    quotas = getattr(sampler, 'num_per_source', None)
    parts = getattr(loader.dataset, 'datasets', None)
    if quotas is None or not parts:
        return None
    where = f'train_dataloader.sampler ({type(sampler).__name__})'
    if min(quotas) < 1:
        return Finding(
            'problem',
            where,
            f'batches of {sum(quotas)} with source_ratio {list(sampler.source_ratio)} hold '
            f'{list(quotas)} images of the parts; upstream never returns where one is 0',
            'raise batch_size, or change source_ratio',
        )
    empty = [number for number, part in enumerate(parts, start=1) if not len(part)]
    if empty:
        return Finding(
            'problem',
            where,
            f'part {empty[0]} of the data is empty: upstream never returns',
            'check its annotation file and filter_cfg',
        )
    groups = getattr(sampler, 'group2size_per_source', None)
    if groups and any(
        bool(one[group]) != bool(groups[0][group]) for one in groups for group in one
    ):
        return Finding(
            'problem',
            where,
            'upright and lying images are not in both parts: upstream never returns once it '
            'draws the shape that one part lacks',
            'use MultiSourceSampler',
        )
    return None
