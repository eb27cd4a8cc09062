"""The loss that heads with sigmoids take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet.models.losses import FocalLoss

from mmdefect.errors import InputError, constructor_keys, reject_unknown_keys

__all__ = ['focal_config']


def focal_config(component: str, loss_cls: Mapping[str, Any]) -> dict[str, Any]:
    """Check the classification loss of a focal head.

    Args:
        component (str): Name of the head, for messages.
        loss_cls (Mapping[str, Any]): Its config: MMDetection's ``FocalLoss`` with ``gamma``,
            ``alpha`` and ``loss_weight``.

    Returns:
        dict[str, Any]: Its keys without ``type``, ``use_sigmoid`` True among them.

    Raises:
        InputError: Another loss, an unknown key, or an option with which training and prediction
            would disagree.

    Example:
        >>> focal_config('FocalRPNHead', dict(type='FocalLoss', gamma=2.5))
        {'gamma': 2.5, 'use_sigmoid': True}
    """
    options = dict(loss_cls)
    kind = options.pop('type', None)
    where = f'{component}: loss_cls'
    if kind not in ('FocalLoss', 'mmdet.FocalLoss', FocalLoss):
        raise InputError(
            f'{where} must be of type FocalLoss, got {kind!r}; '
            "set loss_cls=dict(_delete_=True, type='FocalLoss', use_sigmoid=True)"
        )
    reject_unknown_keys(where, options, constructor_keys(FocalLoss))
    for key, right in (('use_sigmoid', True), ('activated', False), ('reduction', 'mean')):
        if options.get(key, right) != right:
            raise InputError(f'{where}: {key} must be {right!r}, got {options[key]!r}; remove it')
    return {**options, 'use_sigmoid': True}
