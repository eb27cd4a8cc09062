"""Anchors of a feature-map shape, generated once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

__all__ = ['CachedPriors']


class CachedPriors:
    """An anchor generator that keeps the anchors of the shapes used last.

    1.8 million anchors take 29 MB, and multi-scale training and images of many sizes meet many
    feature-map shapes, so only some are kept. Everything but ``grid_priors`` is the generator's;
    copies start without anchors.

    Args:
        generator (AnchorGenerator): Any prior generator of MMDetection.
        shapes (int): Shapes kept at most; 0 keeps none. Default 4.

    Example:
        >>> from mmdet.models.task_modules.prior_generators import AnchorGenerator
        >>> anchors = CachedPriors(AnchorGenerator([16], [1.0], scales=[1]), shapes=1)
        >>> first, again = (anchors.grid_priors([(2, 3)], device='cpu')[0] for _ in range(2))
        >>> again is first, anchors.num_levels
        (True, 1)
    """

    def __init__(self, generator: Any, shapes: int = 4) -> None:
        self.generator, self.shapes = generator, shapes
        self._kept: OrderedDict[Any, list[Any]] = OrderedDict()

    def grid_priors(
        self,
        featmap_sizes: Sequence[tuple[int, int]],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = 'cuda',
    ) -> list[Any]:
        """Anchors of all levels.

        Args:
            featmap_sizes (Sequence[tuple[int, int]]): ``(h, w)`` of each level.
            dtype (torch.dtype): Type of the anchors. Default float32.
            device (torch.device | str): Where they lie. Default ``'cuda'``.

        Returns:
            list[Tensor]: Per level boxes ``x1, y1, x2, y2`` in pixels, shape (h * w * A, 4). They
            are shared between calls and must not be changed.
        """
        key = (tuple(map(tuple, featmap_sizes)), dtype, str(device))
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            self._kept[key] = self.generator.grid_priors(featmap_sizes, dtype, device)
        levels = list(self._kept[key])
        while len(self._kept) > self.shapes:
            self._kept.popitem(last=False)
        return levels

    def __getattr__(self, name: str) -> Any:
        # While a copy is made there is no generator yet.
        if name == 'generator':
            raise AttributeError(name)
        return getattr(self.generator, name)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_kept': OrderedDict()}
