"""How a model is run, as far as its scores depend on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from torch import nn

from mmdefect.engine.predict import inner_dataset
from mmdefect.errors import InputError

__all__ = ['inference_settings', 'require_same_settings', 'score_threshold', 'tile_settings']

_INNER = ('detector', 'classifier')
# What is said of a detector inside another one comes first.
_MODEL_KEYS = ('data_preprocessor', 'test_cfg', 'semi_test_cfg')
_TILE_KEYS = {
    'size': None, 'overlap': 0.0, 'edge': 'shift', 'merge': None, 'full_image': None,
    'min_score': 0.0, 'pool': 1,
}  # fmt: skip
# Steps that leave the pixels alone.
_PIXELS_STAY = ('LoadAnnotations', 'LoadEmptyAnnotations', 'Pack')


def inference_settings(
    config: Config, *, amp: bool = False, tiles: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Collect what changes the scores of a model besides its weights.

    Thresholds hold for the scores they were chosen on, so results files and policies carry this.

    Args:
        config (Config): Config with ``model`` and ``test_dataloader``, else ``val_dataloader``.
        amp (bool): Whether it runs in mixed precision. Default False.
        tiles (Mapping | None): Tiles that are cut although the config cuts none
            (:func:`tile_settings`). Default None.

    Returns:
        dict[str, Any]: JSON values: ``pipeline`` (steps that change pixels),
        ``data_preprocessor``, ``test_cfg``, ``tiles`` and ``amp``.

    Raises:
        InputError: The config has no data loader to test with.

    Example:
        >>> pipeline = [dict(type='mmdefect.LoadImage'), dict(type='mmdefect.PackInputs')]
        >>> inference_settings(Config(dict(
        ...     model=dict(type='RetinaNet', test_cfg=dict(score_thr=0.001)),
        ...     test_dataloader=dict(dataset=dict(pipeline=pipeline)))))
        {'pipeline': [{'type': 'mmdefect.LoadImage'}], 'data_preprocessor': None, 'test_cfg': \
{'score_thr': 0.001}, 'tiles': None, 'amp': False}
    """
    model = config.model
    loaders = (config.get(key) for key in ('test_dataloader', 'val_dataloader'))
    loader = next((loader for loader in loaders if loader), None)
    if loader is None:
        raise InputError(
            f'{config.filename or "the config"}: no test_dataloader, which says how images are '
            'prepared; add it'
        )
    pipeline = list(inner_dataset(loader['dataset']).get('pipeline') or ())
    inside: dict[str, Any] = {'data_preprocessor': None, 'test_cfg': {}}
    while True:
        inside |= {key: model[key] for key in _MODEL_KEYS if model.get(key)}
        if str(model.get('type')).rpartition('.')[2].startswith('Tiled'):
            tiles = tile_settings(**{key: model[key] for key in _TILE_KEYS if key in model})
            pipeline += [step for step in model.get('pipeline') or () if not _loads(step)]
        inner = next((model[key] for key in _INNER if isinstance(model.get(key), Mapping)), None)
        if inner is None:
            break
        model = inner
    settings = {
        'pipeline': [step for step in pipeline if not _kind(step).startswith(_PIXELS_STAY)],
        **inside,
        'tiles': None if tiles is None else dict(tiles),
        'amp': amp,
    }
    return json.loads(json.dumps(settings, default=str))


def tile_settings(**given: Any) -> dict[str, Any]:
    """Complete what is said about tiles by its defaults.

    Args:
        **given: Keys of :class:`mmdefect.inference.TiledDetector` or ``TiledClassifier``.

    Returns:
        dict[str, Any]: All of them.

    Example:
        >>> tile_settings(size=(256, 256))['edge']
        'shift'
    """
    settings = {**_TILE_KEYS, **given}
    overlap = settings['overlap']
    pair = list(overlap) if isinstance(overlap, (list, tuple)) else [overlap, overlap]
    settings['overlap'] = [float(share) for share in pair]
    settings['merge'] = dict(settings['merge'] or {}) or None
    return settings


def require_same_settings(
    expected: Mapping[str, Any] | None, found: Mapping[str, Any] | None, where: str
) -> None:
    """Refuse scores that were made in another way.

    Args:
        expected (Mapping | None): Settings that thresholds or earlier results rest on; None if
            nobody knows, which passes.
        found (Mapping | None): Settings in use.
        where (str): What the message calls the former.

    Raises:
        InputError: They differ; the message names the first key that does.

    Example:
        >>> require_same_settings({'amp': False}, {'amp': True}, 'policy.json')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: policy.json: was made with amp=false, and this run has true; \
use the same config and options, or choose thresholds on results of this run's kind
    """
    if expected is None or found is None:
        return
    before, now = _flat(expected), _flat(found)
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old != new:
            raise InputError(
                f'{where}: was made with {key}={_shown(old)}, and this run has {_shown(new)}; use '
                "the same config and options, or choose thresholds on results of this run's kind"
            )


def score_threshold(model: nn.Module) -> float | None:
    """The lowest score that a model's heads return.

    Args:
        model (nn.Module): A detector.

    Returns:
        float | None: Highest ``score_thr`` of the test configs in it; None without any.

    Example:
        >>> score_threshold(nn.Identity()) is None
        True
    """
    configs = [getattr(module, 'test_cfg', None) for module in model.modules()]
    limits = [config.get('score_thr') for config in configs if isinstance(config, Mapping)]
    return max((limit for limit in limits if limit is not None), default=None)


def _flat(value: Any, prefix: str = '') -> dict[str, Any]:
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    if not items:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in items:
        flat.update(_flat(inner, f'{prefix}.{key}' if prefix else str(key)))
    return flat


def _shown(value: Any) -> str:
    return 'nothing' if value is None else json.dumps(value)


def _kind(step: Mapping[str, Any]) -> str:
    return str(step['type']).rpartition('.')[2]


def _loads(step: Mapping[str, Any]) -> bool:
    return _kind(step).startswith(('Load', 'Pack'))
