"""Config texts inside checkpoints: kept when they are plain data, dropped when they are code.

mmengine writes the config into its checkpoints as Python text and executes that text on resume
and in inferencers, so a text that does more than assign literals is as dangerous as a pickle.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import warnings
from typing import Any

__all__ = ['drop_code', 'is_plain_data']

_LITERAL_NODES = (
    ast.Module, ast.Assign, ast.Name, ast.Store, ast.Load, ast.Constant, ast.List, ast.Tuple,
    ast.Dict, ast.Set, ast.Call, ast.keyword, ast.UnaryOp, ast.USub, ast.UAdd,
)  # fmt: skip
_CONSTRUCTORS = frozenset({'dict', 'list', 'tuple', 'set', 'float'})
# Packages that a config text inside a checkpoint may name.
_PACKAGES = frozenset({'mmcv', 'mmdefect', 'mmdet', 'mmengine', 'mmpretrain'})

# Registered functions of ours, which a config may call.
_FUNCTIONS = frozenset({'mmdefect.multi_view_collate'})


def is_plain_data(text: str) -> bool:
    """Say whether a config text only assigns literals and ``dict(...)`` of literals.

    Literals alone are not enough: MMEngine imports what ``custom_imports``, ``default_scope``
    and a ``type`` with dots name, and rewrites ``{{ ... }}`` in the text before executing it.
    Such names must lie in OpenMMLab's packages or ours, and braces must be absent. What the
    text may still choose is which registered components are built.

    Args:
        text (str): Python text as mmengine dumps it.

    Returns:
        bool: False for imports, other calls, attributes, ``_base_``, templates, components
        outside OpenMMLab's packages and everything else.

    Example:
        >>> is_plain_data("model = dict(type='RetinaNet', depth=18)")
        True
        >>> is_plain_data("import os")
        False
        >>> is_plain_data("a = dict(b=open('x', 'w'))")
        False
        >>> is_plain_data("model = dict(type='os.system', command='ls')")
        False
    """
    if '{{' in text:
        return False
    try:
        tree = ast.parse(text)
        return all(_is_plain_node(node) for node in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_plain_node(node: ast.AST) -> bool:
    if not isinstance(node, _LITERAL_NODES):
        return False
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            return node.id in _CONSTRUCTORS
        return node.id not in _CONSTRUCTORS and node.id != '_base_' and node.id[:2] != '__'
    if isinstance(node, ast.Assign):
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        return len(names) == len(node.targets) and all(
            _is_plain_value(name, node.value) for name in names
        )
    if isinstance(node, ast.Call):
        # dict([('type', ...)]) would hide a key.
        return isinstance(node.func, ast.Name) and not (node.func.id == 'dict' and node.args)
    if isinstance(node, ast.keyword):
        return node.arg is None or _is_plain_value(node.arg, node.value)
    if isinstance(node, ast.Dict):
        return all(
            _is_plain_value(key.value, value)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        )
    return True


def _is_plain_value(key: object, value: ast.expr) -> bool:
    """Refuse values by which MMEngine would import or call something of the sender's choice."""
    if key in ('custom_imports', 'imports'):
        return all(
            _is_importable(node.value)
            for node in ast.walk(value)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
    if key in ('type', '_scope_', 'default_scope') and isinstance(value, ast.Name):
        return False
    if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        return True
    if key in ('_scope_', 'default_scope'):
        return value.value in _PACKAGES
    if key == 'type':
        return _is_component(value.value)
    return True


def _is_importable(name: str) -> bool:
    # What is imported already runs nothing when it is imported again. The last two names are
    # the keys of custom_imports written as a dict display.
    return (
        name in sys.modules
        or name.split('.')[0] in _PACKAGES
        or name in ('imports', 'allow_failed_imports')
    )


def _is_component(name: str) -> bool:
    """MMEngine takes a name that is not registered for a path and imports it."""
    scope, _, rest = name.partition('.')
    if rest:
        # Functions such as mmengine.utils.call_command are lower case, and so are the modules
        # that a longer path could pass through (mmengine.runner.checkpoint.os).
        return name in _FUNCTIONS or scope in _PACKAGES and rest.rpartition('.')[2][:1].isupper()
    return not name or name in sys.modules or importlib.util.find_spec(name) is None


def drop_code(checkpoint: Any, name: str) -> None:
    """Remove config texts that are not plain data from a loaded checkpoint, with a warning.

    Args:
        checkpoint (Any): What was loaded; only mmengine's dicts hold config texts.
        name (str): File name for the warning.

    Example:
        >>> checkpoint = {'meta': {'config': "model = dict(depth=18)"}}
        >>> drop_code(checkpoint, 'a.pth')
        >>> 'config' in checkpoint['meta']
        True
    """
    if not isinstance(checkpoint, dict):
        return
    hub = checkpoint.get('message_hub')
    places = [
        (checkpoint.get('meta'), 'config'),
        (checkpoint.get('meta'), 'cfg'),
        (hub.get('runtime_info') if isinstance(hub, dict) else None, 'cfg'),
    ]
    for holder, key in places:
        if not isinstance(holder, dict) or key not in holder:
            continue
        text = holder[key]
        if isinstance(text, str) and is_plain_data(text):
            continue
        del holder[key]
        warnings.warn(
            f'{name}: its config text holds more than plain data and was dropped, because '
            'mmengine would execute it',
            stacklevel=3,
        )
