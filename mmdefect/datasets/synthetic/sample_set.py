"""One data set of drawn images: kept where it is complete, else written as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmdefect.datasets.synthetic.sample_folder import SampleFolder
from mmdefect.datasets.synthetic.sample_images import (
    SPLITS,
    SampleImage,
    image_name,
    write_samples,
)
from mmdefect.datasets.synthetic.sample_summary import SampleSummary, summarise_samples

__all__ = ['SampleSet']


@dataclass(frozen=True)
class SampleSet:
    """What all data sets of a kind have in common.

    Args:
        kind (str): Its name, such as ``shelf``.
        description (str): For the COCO files.
        recipe (int): Raise with every change of the drawn pixels or the file layout: older data
            are then replaced.
        classes (tuple[str, ...]): Class names in category order.
        images (int): Images of a part, at most 10.
        table (str): Path of the native CSV file, with ``{}`` for the split.
        header (str): Its first line. Default none.

    Example:
        >>> SampleSet('dot', 'Dots', 1, ('dot',), 2, '{}.csv').table.format('val')
        'val.csv'
    """

    kind: str
    description: str
    recipe: int
    classes: tuple[str, ...]
    images: int
    table: str
    header: str = ''

    def write(
        self,
        out: str | Path,
        level: str,
        seed: int,
        parts: Mapping[str, int],
        draw: Callable[[str, int], Iterable[SampleImage]],
        rows: Callable[[str, SampleImage], Iterable[str]],
        progress: Callable[[int, int], None] | None = None,
    ) -> SampleSummary:
        """Write a data set, unless this very one is there.

        Args:
            out (str | Path): Folder to write to; one that holds another set of the kind is
                replaced.
            level (str): Level of difficulty.
            seed (int): Seed.
            parts (Mapping[str, int]): Number of parts of each split.
            draw (Callable): As in :func:`write_samples`.
            rows (Callable): Likewise.
            progress (Callable | None): Likewise. Default None.

        Returns:
            SampleSummary: Counts and sizes.

        Raises:
            InputError: A path cannot be written, or a file is in the way that is none of ours.

        Example:
            >>> import tempfile
            >>> import numpy as np
            >>> dots = SampleSet('dot', 'Dots', 1, ('dot',), 1, '{}.csv')
            >>> dot = SampleImage(np.zeros((4, 6), np.uint8), np.array([[0, 0, 2, 1]]), ('dot',))
            >>> parts = {'train': 1, 'val': 0, 'test': 0}
            >>> arguments = tempfile.mkdtemp(), 'easy', 0, parts, lambda *_: [dot], lambda *_: []
            >>> dots.write(*arguments).kept, dots.write(*arguments).kept
            (False, True)
        """
        names = rf'({"|".join(SPLITS)})_\d{{4,}}_v[0-{self.images - 1}]\.jpg'
        tables = tuple(self.table.format(split) for split in SPLITS)
        folder = SampleFolder(Path(out), self.kind, SPLITS, names, tables)
        info = {
            'description': self.description,
            'generator': folder.generator,
            'recipe': self.recipe,
            'level': level,
            'seed': seed,
            'parts': dict(parts),
        }
        found = folder.read()
        if folder.is_complete(info, found):
            return summarise_samples(folder, level, seed, True, found)
        planned = (
            image_name(split, index, number)
            for split in SPLITS
            for index in range(parts[split])
            for number in range(self.images)
        )
        folder.start(info, planned, folder.is_ours(found))
        documents = write_samples(
            folder, info, parts, self.classes, draw, rows, self.header, progress
        )
        return summarise_samples(folder, level, seed, False, documents)
