"""What each of the processes of ``test_two_ranks.py`` runs.

``two_ranks.py FOLDER SCENARIOS``: a JSON list of function names with keyword arguments; what they
return goes to ``FOLDER/rank<n>.json``. Without a launcher it is one process.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.cpu_ranks import cpu_ranks
from mmdefect.errors import InputError

RANK, WORLD = (
    int(os.environ.get(name, default)) for name, default in (('RANK', 0), ('WORLD_SIZE', 1))
)


NUMBER = itertools.count()


def guard(folder, faults, optim_wrapper, max_undone=20):
    """Train twins; batch b of rank r holds the images 4 b + r and 4 b + 2 + r."""
    twins = importlib.import_module('test_guarded_iter_based_train_loop')
    MODELS.register_module(module=twins.Twins, force=True)
    DATASETS.register_module(module=twins.Images, force=True)
    faults = {int(index): fault for index, fault in faults.items()}
    config = Config(
        dict(
            launcher='pytorch', model=dict(type='Twins'), work_dir=folder,
            train_dataloader=dict(
                dataset=dict(type='Images', faults=faults), batch_size=2, num_workers=0,
                persistent_workers=False, sampler=dict(type='DefaultSampler', shuffle=False),
                collate_fn=dict(type='pseudo_collate')),
            train_cfg=dict(
                type='mmdefect.GuardedIterBasedTrainLoop', max_iters=10, max_undone=max_undone),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1), **optim_wrapper),
            custom_hooks=[dict(type='mmdefect.MeanTeacherHook')], default_scope='mmengine',
            experiment_name=f'guard{next(NUMBER)}',
        )
    )  # fmt: skip
    watch, message = twins.Watch(), None
    with cpu_ranks(config):
        runner = Runner.from_cfg(config)
        runner.register_hook(watch)
        try:
            runner.train()
        except InputError as error:
            message = str(error)
    # Each rank has statistics of its own in batch normalisation.
    weights = {
        name: value.double().sum().item()
        for name, value in twins.state_of(runner).items()
        if 'running' not in name
    }
    return {
        'changed': watch.changed, 'undone': runner.train_loop.undone, 'weights': weights,
        'message': message,
    }  # fmt: skip


def train(folder, config, images):
    """Two steps on one batch, of which each rank has its share: losses, boxes, weights.

    An unlabelled image has an index beyond the labelled ones.
    """
    config = Config.fromfile(config)
    config.work_dir = folder
    config.launcher = 'pytorch' if WORLD > 1 else 'none'
    init_default_scope('mmdet')
    with cpu_ranks(config):
        runner = Runner.from_cfg(config)
        runner._init_model_weights()
        runner.model.train()
        dataset = DATASETS.build(config.train_dataloader.dataset)
        share = len(images) // WORLD
        samples = [dataset[index] for index in images[RANK * share : (RANK + 1) * share]]
        wrapper = runner.build_optim_wrapper(config.optim_wrapper)
        losses = []
        for _ in range(2):
            outputs = runner.model.train_step(pseudo_collate(samples), wrapper)
            losses.append({name: float(value) for name, value in outputs.items()})
    described = [sample['data_samples'] for sample in samples]
    described = [item['sup'] if isinstance(item, dict) else item for item in described]
    return {
        'losses': losses,
        'boxes': sum(len(item.gt_instances) for item in described if item is not None),
        'weights': sum(weight.double().abs().sum().item() for weight in runner.model.parameters()),
    }


def main():
    folder, scenarios = sys.argv[1:]
    torch.manual_seed(0)
    launched = dict(
        launcher='pytorch' if WORLD > 1 else 'none', env_cfg=dict(dist_cfg=dict(timeout=60))
    )
    # One process group for all scenarios: starting anew on the same store is slow.
    with cpu_ranks(Config(launched)):
        results = [globals()[name](folder, **keys) for name, keys in json.loads(scenarios)]
    Path(folder, f'rank{RANK}.json').write_text(json.dumps(results))


if __name__ == '__main__':
    main()
