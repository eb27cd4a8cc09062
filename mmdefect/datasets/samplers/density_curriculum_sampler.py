"""Images with few boxes first, then more and more of the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.dataset import DefaultSampler

from mmdefect.datasets.labelled_boxes import labels_of
from mmdefect.datasets.seeded_draw import DrawnIndex
from mmdefect.errors import InputError, strict_keys
from mmdefect.registry import DATA_SAMPLERS

__all__ = ['DensityCurriculumSampler']


@DATA_SAMPLERS.register_module()
@strict_keys
class DensityCurriculumSampler(DefaultSampler):
    """Begin with the sparsest images, and let denser ones in pass after pass.

    The first pass draws from the ``start_share`` of the images that have fewest boxes; from pass
    ``epochs`` on (counted from 0) all take part, and between them each pass lets in the same
    number. Every pass is as long as the data set, so schedules stay as they are: while images
    are missing, the others come round again, none more than once oftener than another. Images
    without boxes are no easier than others: each is in every pass once.

    A pass is a pure function of seed and number, so there is no state to save. Ranks share it, and
    its last draws are filled up from its beginning where their number does not divide.

    Args:
        dataset (Dataset): Has ``get_data_info``; MMEngine gives it.
        epochs (int): Passes before all images take part, at least 1.
        start_share (float): Share of the images with boxes in the first pass, above 0, at most
            1. Default 0.25.
        seed (int | None): Seed >= 0, the same on all ranks. MMEngine gives that of the run.
            Default None: a random one that the ranks agree on.

    Attributes:
        dataset (Dataset): As given.

    Raises:
        InputError: An unknown or missing key, a value out of range, or no image has a box.

    Source:
        Y. Bengio et al., "Curriculum Learning", ICML 2009; the growing share: E. Platanios et
        al., "Competence-based Curriculum Learning for Neural Machine Translation", NAACL 2019
        (its linear form).

    Example:
        >>> class Shelves(list):
        ...     def get_data_info(self, index):
        ...         return {'instances': [{'bbox_label': 0}] * self[index]}
        >>> sampler = DensityCurriculumSampler(Shelves([90, 20, 50, 70]), epochs=3, seed=0)
        >>> for epoch in range(4):
        ...     sampler.set_epoch(epoch)
        ...     print(sorted(set(sampler)))
        [1]
        [1, 2]
        [1, 2, 3]
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        dataset: Any,
        epochs: int,
        start_share: float = 0.25,
        seed: int | None = None,
    ) -> None:
        name = type(self).__name__
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise InputError(
                f'{name}: epochs must be a whole number of at least 1, got {epochs!r}; for no '
                'curriculum take DefaultSampler'
            )
        if not 0 < start_share <= 1:
            raise InputError(
                f'{name}: start_share must be above 0 and at most 1, got {start_share!r}'
            )
        boxes = np.array([len(labels_of(dataset.get_data_info(i))) for i in range(len(dataset))])
        if not boxes.any():
            raise InputError(
                f'{name}: no image of the {len(boxes)} has a box, so none is sparser than another; '
                'check the annotations, or take DefaultSampler'
            )
        super().__init__(dataset, seed=seed)
        self.epochs = epochs
        self.start_share = start_share
        order = np.argsort(boxes, kind='stable')
        self._empty, self._sparsest = np.split(order, [int((boxes == 0).sum())])

    def __iter__(self) -> Iterator[DrawnIndex]:
        """Draw the images of the pass."""
        order = np.resize(self._order(), self.total_size)
        for position in range(self.rank, self.total_size, self.world_size):
            yield DrawnIndex(int(order[position]), (self.seed, self.epoch, position))

    def _order(self) -> npt.NDArray[np.int64]:
        """The images of the pass, of all ranks."""
        generator = np.random.default_rng([self.seed, self.epoch])
        grown = min(1.0, self.epoch / self.epochs)
        share = self.start_share + (1 - self.start_share) * grown
        # Rounded, as sums of shares are off in their last digits.
        pool = self._sparsest[: math.ceil(round(share * len(self._sparsest), 6))]
        rounds = math.ceil(len(self._sparsest) / len(pool))
        drawn = np.concatenate([generator.permutation(pool) for _ in range(rounds)])
        return generator.permutation(np.concatenate([self._empty, drawn[: len(self._sparsest)]]))
