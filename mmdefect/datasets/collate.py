"""From parts to the flat batch of images that detectors take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dataset import pseudo_collate

from mmdefect.errors import InputError
from mmdefect.registry import FUNCTIONS

__all__ = ['multi_view_collate']


@FUNCTIONS.register_module()
def multi_view_collate(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put the views of all parts into one batch, those of one part side by side.

    Args:
        parts (Sequence[Mapping]): Items of :class:`mmdefect.datasets.MultiViewDataset`; each has
            ``views``, packed by the pipeline inside ``mmdefect.PerView``. Parts may have
            different numbers of views.

    Returns:
        dict[str, Any]: MMDetection's format: ``inputs`` and ``data_samples``, each a list with
        one entry per image or, where the pipelines end in ``MultiBranch``, a dict of such lists
        per branch, with None where a branch does not apply.

    Raises:
        InputError: An item has no packed views, or only some are packed in branches.

    Example:
        >>> import torch
        >>> view = {'inputs': torch.zeros(3, 4, 6), 'data_samples': 'sample'}
        >>> batch = multi_view_collate([{'views': [view, view]}, {'views': [view]}])
        >>> len(batch['inputs']), batch['data_samples']
        (3, ['sample', 'sample', 'sample'])
    """
    for part in parts:
        if not isinstance(part, Mapping) or 'views' not in part:
            raise InputError(
                "mmdefect.multi_view_collate: an item has no 'views'; use it with "
                'mmdefect.MultiViewDataset and mmdefect.PerView, or drop collate_fn'
            )
    views = [view for part in parts for view in part['views']]
    kinds = {isinstance(view.get('inputs'), Mapping) for view in views if 'inputs' in view}
    if len(kinds) != 1 or not all('inputs' in view for view in views):
        raise InputError(
            'mmdefect.multi_view_collate: the transforms of every mmdefect.PerView must end in '
            'mmdefect.PackInputs, or those of all sources in MultiBranch'
        )
    batch: dict[str, Any] = pseudo_collate(views)
    return batch
