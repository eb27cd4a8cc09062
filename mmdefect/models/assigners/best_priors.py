"""The priors that overlap each box most."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmdefect.models.assigners.near_overlaps import block_rows, overlaps

__all__ = ['BestPriors']

# Pairs of a block and a box whose overlaps are computed again at once.
_PAIRS = 1 << 12


class BestPriors:
    """Collects slices of overlaps, then gives each box its best priors.

    Of the overlaps only the highest of each box is kept, and the blocks of priors where it can
    be; they are computed again in the end.

    Args:
        priors (Tensor): Boxes ``x1, y1, x2, y2``, shape (N, 4).
        boxes (Tensor): Likewise, shape (K, 4).
        ignored (Tensor | None): Priors that take no part, bool, shape (N,). Default None: none.

    Example:
        >>> from mmdefect.models.assigners.near_overlaps import near_boxes
        >>> priors = torch.tensor([[0.0, 0, 9, 9], [4, 0, 13, 9]])
        >>> boxes = torch.tensor([[3.0, 0, 12, 9]])
        >>> best = BestPriors(priors, boxes)
        >>> for blocks, near in near_boxes(priors, boxes):
        ...     best.add(blocks, near, overlaps(boxes[near], priors[block_rows(blocks, 2)]))
        >>> best.give(torch.zeros(2, dtype=torch.int64), 0.1, every=True).tolist()
        [0, 1]
    """

    def __init__(self, priors: Tensor, boxes: Tensor, ignored: Tensor | None = None) -> None:
        self.priors, self.boxes, self.ignored = priors, boxes, ignored
        kind = torch.result_type(priors, boxes)
        self.highest = torch.zeros(len(boxes), dtype=kind, device=boxes.device)
        if ignored is not None and bool(ignored.all()):
            self.highest.fill_(-1)
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, blocks: Tensor, near: Tensor, iou: Tensor) -> None:
        """Look at a slice of overlaps.

        Args:
            blocks (Tensor): Numbers of the blocks, int64, shape (B,).
            near (Tensor): Positions of their boxes, int64, shape (B, M).
            iou (Tensor): Overlaps, -1 for ignored priors, shape (B, M, BLOCK).
        """
        highest = iou.amax(2)
        self.highest.scatter_reduce_(0, near.flatten(), highest.flatten(), 'amax')
        at = ((highest >= self.highest[near]) & (highest > 0)).nonzero(as_tuple=True)
        self._seen.append((blocks[at[0]], near[at], highest[at]))

    def give(self, gt_inds: Tensor, lowest: float, every: bool) -> Tensor:
        """Overwrite the assignment of the best priors; of several boxes the last one stays.

        Args:
            gt_inds (Tensor): Position of each prior's box plus one, int64, shape (N,); changed.
            lowest (float): IoU, at least 0, below which a box gets none.
            every (bool): A box gets all priors of its highest IoU; False: the first.

        Returns:
            Tensor: ``gt_inds``.
        """
        reached = (self.highest >= lowest).nonzero()[:, 0]
        # A box that no prior overlaps has all priors as equals.
        unmet = reached[self.highest[reached] == 0]
        if every:
            start = int(unmet[-1]) + 1 if len(unmet) else 0
            if start and self.ignored is not None:
                gt_inds.masked_fill_(~self.ignored, start)
            elif start:
                gt_inds.fill_(start)
            for rows, boxes in self._best(lowest, start):
                gt_inds.scatter_reduce_(0, rows, boxes + 1, 'amax', include_self=False)
            return gt_inds
        first = torch.full_like(self.highest, len(self.priors), dtype=torch.int64)
        first[unmet] = 0 if self.ignored is None else self.ignored.logical_not().int().argmax()
        for rows, boxes in self._best(lowest):
            first.scatter_reduce_(0, boxes, rows, 'amin')
        return gt_inds.scatter_reduce_(0, first[reached], reached + 1, 'amax', include_self=False)

    def _best(self, lowest: float, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Priors with the highest overlap of a box, and the box, by ascending box from one on."""
        if not self._seen:
            return
        blocks, boxes, highest = (torch.cat(items) for items in zip(*self._seen, strict=True))
        keep = (highest == self.highest[boxes]) & (highest >= lowest) & (boxes >= start)
        blocks, boxes = blocks[keep], boxes[keep]
        order = boxes.argsort(stable=True)
        for part in order.split(_PAIRS):
            rows, box = block_rows(blocks[part], len(self.priors)), boxes[part]
            iou = overlaps(self.boxes[box, None], self.priors[rows])[:, 0]
            equal = iou == self.highest[box, None]
            if self.ignored is not None:
                equal &= ~self.ignored[rows]
            at = equal.nonzero(as_tuple=True)
            yield rows[at], box[at[0]]
