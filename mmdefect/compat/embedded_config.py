"""Config texts inside checkpoints: kept when they are plain data, dropped when they are code.

mmengine writes the config into its checkpoints as Python text and executes that text on resume
and in inferencers, so a text that does more than assign literals is as dangerous as a pickle.
"""

from __future__ import annotations

import ast
import warnings
from typing import Any

__all__ = ['drop_code', 'is_plain_data']

_LITERAL_NODES = (
    ast.Module, ast.Assign, ast.Name, ast.Store, ast.Load, ast.Constant, ast.List, ast.Tuple,
    ast.Dict, ast.Set, ast.Call, ast.keyword, ast.UnaryOp, ast.USub, ast.UAdd,
)  # fmt: skip
_CONSTRUCTORS = {'dict', 'list', 'tuple', 'set', 'float'}


def is_plain_data(text: str) -> bool:
    """Say whether a config text only assigns literals and ``dict(...)`` of literals.

    Args:
        text (str): Python text as mmengine dumps it.

    Returns:
        bool: False for imports, other calls, attributes, ``_base_`` and everything else.

    Example:
        >>> is_plain_data("model = dict(type='RetinaNet', depth=18)")
        True
        >>> is_plain_data("import os")
        False
        >>> is_plain_data("a = dict(b=open('x', 'w'))")
        False
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        if not isinstance(node, _LITERAL_NODES):
            return False
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id in _CONSTRUCTORS
        ):
            return False
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and (
            node.id in _CONSTRUCTORS or node.id in ('_base_', '_delete_')
        ):
            return False
    return True


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
