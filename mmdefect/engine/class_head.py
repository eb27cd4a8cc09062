"""Class heads of a checkpoint, mapped onto other classes by name."""

from __future__ import annotations

import torch

__all__ = ['remap_class_rows']


def remap_class_rows(
    target: torch.Tensor,
    source: torch.Tensor,
    old_classes: tuple[str, ...],
    new_classes: tuple[str, ...],
) -> torch.Tensor | None:
    """Copy the rows of the classes that both models know; keep the fresh rows of the others.

    Dense heads hold one row per anchor and class, anchors first; RoI heads one row per class
    and one for the background, last.

    Args:
        target (torch.Tensor): Freshly initialised weight or bias, shape (A * C_new, ...) or
            (C_new + 1, ...).
        source (torch.Tensor): Weight or bias of the checkpoint, likewise with C_old.
        old_classes (tuple[str, ...]): Class names of the checkpoint.
        new_classes (tuple[str, ...]): Class names of the data set.

    Returns:
        torch.Tensor | None: Shape of ``target``; None when the two are no class heads of these
        classes or share no class.

    Example:
        >>> fresh, old = torch.zeros(4), torch.tensor([1., 2., 3., 4., 5., 6.])
        >>> remap_class_rows(fresh, old, ('a', 'b', 'c'), ('c', 'x'))
        tensor([3., 0., 6., 0.])
    """
    shared = [name for name in new_classes if name in old_classes]
    if not shared or target.dim() == 0 or target.shape[1:] != source.shape[1:]:
        return None
    for background in (0, 1):
        old_rows, new_rows = len(old_classes) + background, len(new_classes) + background
        groups, rest = divmod(source.shape[0], old_rows)
        if rest or target.shape[0] != groups * new_rows or (background and groups != 1):
            continue
        from_rows = [old_classes.index(name) for name in shared]
        to_rows = [new_classes.index(name) for name in shared]
        if background:
            from_rows.append(old_rows - 1)
            to_rows.append(new_rows - 1)
        rows = target.clone().reshape(groups, new_rows, *target.shape[1:])
        old = source.to(rows).reshape(groups, old_rows, *source.shape[1:])
        rows[:, to_rows] = old[:, from_rows]
        return rows.reshape(target.shape)
    return None
