"""Fitted shapes as keys of a generator and as a piece of config."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmdefect.evaluation.anchors import AnchorForm, FittedShapes

__all__ = ['config_fragment', 'generator_keys']


def generator_keys(form: AnchorForm, shapes: FittedShapes) -> dict[str, Any]:
    """Say fitted shapes as ``DefectAnchorGenerator`` takes them.

    Args:
        form (AnchorForm): Levels, base sizes and centres.
        shapes (FittedShapes): Ratios and scales.

    Returns:
        dict[str, Any]: ``strides``, ``ratios``, ``ratio_order``, ``scales``, and ``base_sizes``
        and ``centers`` where they are not what the generator takes by itself.

    Example:
        >>> form = AnchorForm(np.full((1, 2), 16.), np.array([16.]), np.zeros((1, 2)))
        >>> generator_keys(form, FittedShapes([.5], [4.]))
        {'strides': [16], 'ratios': [0.5], 'ratio_order': 'w/h', 'scales': [4]}
    """
    square = (form.strides[:, 0] == form.strides[:, 1]).all()
    keys: dict[str, Any] = {
        'strides': _numbers(form.strides[:, 0]) if square else [_numbers(s) for s in form.strides],
        'ratios': _numbers(shapes.ratios),
        'ratio_order': 'w/h',
        'scales': _numbers(shapes.scales),
    }
    if (form.base_sizes != form.strides.min(axis=1)).any():
        keys['base_sizes'] = _numbers(form.base_sizes)
    if form.centres.any():
        keys['centers'] = [_numbers(centre) for centre in form.centres]
    return keys


def config_fragment(path: str, keys: dict[str, Any]) -> str | None:
    """Write the lines that give a config these anchors.

    Args:
        path (str): Dotted key of the generator.
        keys (dict[str, Any]): Keys of ``DefectAnchorGenerator``.

    Returns:
        str | None: Python, to be pasted into a config that has the present one as base; None
        where the generator lies in a list, of which a config cannot change one item.

    Example:
        >>> print(config_fragment('model.rpn_head.anchor_generator', {'ratios': [0.5]}))
        model = dict(
            rpn_head=dict(
                anchor_generator=dict(
                    _delete_=True,
                    type='mmdefect.DefectAnchorGenerator',
                    ratios=[0.5])))
    """
    names = path.split('.')
    if any(name.isdigit() for name in names):
        return None
    lines = [f'{names[0]} = dict(']
    lines += [f'{"    " * depth}{name}=dict(' for depth, name in enumerate(names[1:], start=1)]
    inner = '    ' * len(names)
    values = {'_delete_': True, 'type': 'mmdefect.DefectAnchorGenerator', **keys}
    lines += [f'{inner}{key}={value!r},' for key, value in values.items()]
    return '\n'.join(lines).rstrip(',') + ')' * len(names)


def _numbers(values: Any) -> list[float]:
    """Python numbers of at most four digits; whole ones as int."""
    rounded = [float(f'{value:.4g}') for value in np.asarray(values, float)]
    return [int(value) if value.is_integer() else value for value in rounded]
