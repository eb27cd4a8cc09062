"""Every key of every dict of ours in every config, misspelt: an error that names it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdefect import registry
from mmdefect.errors import InputError

ROOT = Path(__file__).resolve().parents[2] / 'configs'
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob('*.py'))
PREFIX = 'mmdefect.'
DATASET = 'mmdefect.DefectDataset'
# Dicts without a type whose keys a class of ours reads.
SETTINGS = ('semi_train_cfg', 'semi_test_cfg')
SEEN: set[tuple[Any, ...]] = set()


def ours(
    value: Any, owner: Mapping[str, Any], place: str
) -> Iterator[tuple[str, Mapping, Mapping]]:
    """Path, dict, and the dict that it stands in, of all dicts with a type of ours."""
    if isinstance(value, Mapping):
        if str(value.get('type')).startswith(PREFIX):
            yield place, value, owner
        for key, item in value.items():
            yield from ours(item, value, f'{place}.{key}' if place else key)
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from ours(item, owner, f'{place}.{number}')


def build(node: Mapping[str, Any], owner: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    """Build a dict with changed keys the way MMEngine does."""
    name = node['type'].removeprefix(PREFIX)
    kind = next(
        (kind for kind in registry.__all__ if getattr(registry, kind).get(node['type'])), None
    )
    assert kind is not None, f'{name} is in none of the registries'
    if kind == 'READERS':
        # Data sets build their readers themselves.
        dataset = owner if 'reader' in owner and 'type' in owner else {'type': DATASET}
        kind, changed = 'DATASETS', {**dataset, 'reader': changed}
    # What a runner, a visualiser or a detector gives its parts, besides the dict of the config.
    parameters = inspect.signature(getattr(registry, kind).get(changed['type'])).parameters
    given = {
        key: None
        for key, item in parameters.items()
        if item.default is item.empty and item.kind < item.VAR_KEYWORD and key not in node
    }
    part = Config(dict(part=dict(changed))).part
    getattr(registry, kind).build(part, default_args=given or None)


def misspelt(key: str) -> str:
    """A key with a letter too many, as it happens at a keyboard."""
    return key[:-1] + key[-1] * 2


def mistakes(node: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each key, how it is misspelt, and the dict with it, its settings included."""
    for key in sorted(set(node) - {'type', '_delete_', '_scope_'}):
        yield key, misspelt(key), renamed(node, key)
    for name in set(SETTINGS).intersection(node):
        for key in sorted(node[name] or ()):
            inner = renamed(node[name], key)
            yield f'{name}.{key}', misspelt(key), {**node, name: inner}


def renamed(node: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {misspelt(key) if other == key else other: value for other, value in node.items()}


@pytest.mark.parametrize('name', FILES)
def test_a_misspelt_key_is_named(name):
    init_default_scope('mmdet')
    config = Config.fromfile(ROOT / name)
    silent = []
    for place, node, owner in ours(config.to_dict(), {}, ''):
        for key, wrong, changed in mistakes(node):
            case = (node['type'], key, frozenset(node))
            if case in SEEN:
                continue
            SEEN.add(case)
            try:
                build(node, owner, changed)
            except InputError as error:
                if repr(wrong) not in str(error):
                    silent.append(f'{place}.{key}: {error}')
            except Exception as error:
                silent.append(f'{place}.{key}: {type(error).__name__}: {error}')
            else:
                silent.append(f'{place}.{key}: built without a word')
    assert not silent, '\n'.join(silent)


def test_dicts_of_ours_are_found_and_an_error_can_fail():
    config = Config.fromfile(ROOT / '_base_/models/faster_rcnn_r18_fpn_focal.py').to_dict()
    found = {place: node['type'] for place, node, _ in ours(config, {}, '')}
    assert found == {
        'model.rpn_head': 'mmdefect.FocalRPNHead',
        'model.rpn_head.anchor_generator': 'mmdefect.DefectAnchorGenerator',
        'model.roi_head.bbox_roi_extractor': 'mmdefect.MultiLevelRoIExtractor',
        'model.roi_head.bbox_head': 'mmdefect.FocalBBoxHead',
    }
    node = config['model']['rpn_head']['anchor_generator']
    build(node, {}, node)  # right as it is
    with pytest.raises(InputError, match="'ratio_orderr'; did you mean 'ratio_order'"):
        build(node, {}, {**node, 'ratio_orderr': 'w/h'})
    assert misspelt('ratios') == 'ratioss'
    teacher = dict(type='mmdefect.MultiViewSoftTeacher', semi_train_cfg=dict(warmup=2))
    assert list(mistakes(teacher))[1] == (
        'semi_train_cfg.warmup', 'warmupp', {**teacher, 'semi_train_cfg': {'warmupp': 2}}
    )  # fmt: skip
