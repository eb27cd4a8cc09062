from __future__ import annotations

import importlib

import mmengine.registry as root
import pytest

from mmdefect import registry

NAMES = sorted(registry.__all__)


@pytest.mark.parametrize('name', NAMES)
def test_each_is_a_child_of_mmengines_root(name):
    ours = getattr(registry, name)
    assert ours.scope == 'mmdefect'
    if name == 'READERS':
        assert ours.parent is None
    else:
        assert ours.parent is getattr(root, name)


@pytest.mark.parametrize('name', NAMES)
def test_locations_exist_and_register(name):
    ours = getattr(registry, name)
    for location in ours._locations:
        importlib.import_module(location)
    assert ours.module_dict
    for cls in ours.module_dict.values():
        assert cls.__module__.startswith('mmdefect.')
        assert cls.__doc__


@pytest.mark.parametrize(
    ('kind', 'key'),
    [
        ('DATASETS', 'DefectDataset'),
        ('TRANSFORMS', 'LoadImage'),
        ('TRANSFORMS', 'PackInputs'),
        ('METRICS', 'DefectMetric'),
        ('MODELS', 'MultiLevelRoIExtractor'),
        ('MODELS', 'FocalBBoxHead'),
        ('MODELS', 'FocalRPNHead'),
        ('TASK_UTILS', 'DefectAnchorGenerator'),
        ('TASK_UTILS', 'CentreRegionAssigner'),
        ('TASK_UTILS', 'ClippedDeltaCoder'),
        ('MODELS', 'SharedTowerHead'),
        ('OPTIM_WRAPPERS', 'AmpOptimWrapper'),
        ('OPTIM_WRAPPER_CONSTRUCTORS', 'TrainedWeightsConstructor'),
        ('HOOKS', 'CheckpointMatchHook'),
    ],
)
def test_found_from_the_root_by_prefix(kind, key):
    found = getattr(root, kind).get(f'mmdefect.{key}')
    assert found is not None
    assert found.__module__.startswith('mmdefect.')


def test_found_by_prefix_alone_in_a_fresh_process(run_python):
    code = (
        'from mmengine.registry import METRICS\n'
        'print(METRICS.get("mmdefect.DefectMetric").__module__)'
    )
    done = run_python('-W', 'ignore', '-c', code)
    assert done.stdout.split()[-1].startswith('mmdefect.evaluation'), done.stderr
