"""``--cfg-options`` that cannot miss silently."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmdefect.errors import InputError, nearest_name

__all__ = ['ROOTS', 'apply_options']

# Top-level keys that the runner reads. All others are variables of the config file: they feed
# the dicts below them, and have done so before an option applies.
ROOTS = frozenset(inspect.signature(Runner.__init__).parameters) | {
    'activation_checkpointing', 'compile', 'efficient_conv_bn_eval', 'find_unused_parameters',
    'model_wrapper_cfg', 'runner_type', 'sync_bn',
}  # fmt: skip


def apply_options(config: Config, options: Mapping[str, Any]) -> None:
    """Merge ``--cfg-options`` into a config, in place.

    Args:
        config (Config): The config.
        options (Mapping[str, Any]): Dotted keys and their values.

    Raises:
        InputError: Nothing reads the key, because it is misspelt or a variable of the config
            file; or it cannot be set.

    Example:
        >>> config = Config(dict(gamma=2., model=dict(loss_cls=dict(gamma=2.))))
        >>> apply_options(config, {'model.loss_cls.gamma': 1.5})
        >>> config.model.loss_cls.gamma
        1.5
        >>> apply_options(config, {'gamma': 1.5})
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: --cfg-options gamma: a variable of the config file has been \
used before options apply; set model.loss_cls.gamma, or change the file
    """
    for key, value in options.items():
        root, _, rest = key.partition('.')
        if root not in ROOTS:
            raise InputError(f'--cfg-options {key}: {_why_unread(config, root, rest)}')
        try:
            config.merge_from_dict({key: value})
        except (KeyError, TypeError, AttributeError, IndexError, AssertionError) as error:
            raise InputError(f'--cfg-options {key}: cannot be set ({error})') from None


def _why_unread(config: Config, root: str, rest: str) -> str:
    if root not in config:
        near = nearest_name(root, ROOTS)
        return f'nothing reads {root!r}' + (f'; did you mean {near!r}?' if near else '')
    wanted = f'.{rest or root}'
    places = [
        path
        for path in _paths(config._cfg_dict)
        if path.endswith(wanted) and path.partition('.')[0] in ROOTS
    ]
    hint = f'set {" or ".join(places[:3])}' if places else 'set the key that it feeds'
    return (
        f'a variable of the config file has been used before options apply; {hint}, or change '
        'the file'
    )


def _paths(node: Any, prefix: str = '') -> Iterator[str]:
    """Dotted paths of all values, as ``--cfg-options`` takes them."""
    items: Any = ()
    if isinstance(node, Mapping):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    for key, value in items:
        path = f'{prefix}.{key}' if prefix else str(key)
        yield path
        yield from _paths(value, path)
