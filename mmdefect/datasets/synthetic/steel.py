"""Write the steel data set: strips first, annotation files last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mmdefect.datasets.run_length import encode_runs
from mmdefect.datasets.severstal_file import SEVERSTAL_CLASSES, SPLIT_HEADER
from mmdefect.datasets.synthetic.sample_arguments import check_seed, find_level, part_counts
from mmdefect.datasets.synthetic.sample_images import SPLITS, SampleImage
from mmdefect.datasets.synthetic.sample_set import SampleSet
from mmdefect.datasets.synthetic.sample_summary import SampleSummary
from mmdefect.datasets.synthetic.steel_level import LEVELS
from mmdefect.datasets.synthetic.steel_plan import STRIPS, plan_strips
from mmdefect.datasets.synthetic.steel_strip import draw_strip
from mmdefect.datasets.synthetic.steel_surface import invent_coil

__all__ = ['STEEL_PARTS', 'write_steel']

# Coils per split, of four strips each.
STEEL_PARTS = {
    'easy': {'train': 20, 'val': 5, 'test': 10},
    'real': {'train': 100, 'val': 20, 'test': 60},
}

_SET = SampleSet(
    'steel', 'Generated strips of rolled steel', recipe=1, classes=SEVERSTAL_CLASSES,
    images=STRIPS, table='{}.csv', header=','.join(SPLIT_HEADER),
)  # fmt: skip


def write_steel(
    out: str | Path,
    level: str = 'easy',
    *,
    seed: int = 0,
    parts: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Write strips of rolled steel with four classes of defects; 53 % of them are defective.

    Layout: ``images/<split>/<part_id>_v<view>.jpg``, grey, 1600 x 256 pixels; ``train.json``,
    ``val.json`` and ``test.json`` are COCO files with masks as run lengths; ``train.csv``,
    ``val.csv`` and ``test.csv`` say the same in the format of Severstal, where good strips are
    those that the file does not name. Each coil is a part of four strips that look alike, and no
    coil is in two splits. Defects (``pitted, crazing, scratch, patch``) are 20 to 500 pixels
    long; each is one component of its class.

    The same seed and level give the same bytes (with the same NumPy and OpenCV). A folder that
    already holds this very data set is left alone; one that holds another steel data set is
    replaced.

    Args:
        out (str | Path): Folder to write to.
        level (str): ``easy`` or ``real`` (faint defects, strong grain, changing light, harmless
            marks). Default ``easy``.
        seed (int): Seed, >= 0. Default 0.
        parts (Mapping[str, int] | None): Number of coils per split, each >= 0; splits not named
            keep those of :data:`STEEL_PARTS`. Default None.
        progress (Callable[[int, int], None] | None): Called after each coil with the number of
            coils done and the number of all. Default None.

    Returns:
        SampleSummary: Counts per split and sizes per class; ``str()`` of it is a table.

    Raises:
        InputError: Unknown level or split, negative seed or number of coils, a path that cannot
            be written, or a file in the way that this function did not write.

    Source:
        The format: Severstal: Steel Defect Detection, Kaggle 2019.

    Example:
        >>> import tempfile
        >>> few = {'train': 1, 'val': 0, 'test': 0}
        >>> write_steel(tempfile.mkdtemp(), parts=few).splits['train'].images
        4
    """
    difficulty = find_level('steel', LEVELS, level)
    counts = part_counts('steel', STEEL_PARTS[level], parts)
    check_seed('steel', seed)
    plans = {
        split: plan_strips(np.random.default_rng([seed, number, 0]), counts[split])
        for number, split in enumerate(SPLITS)
    }

    def draw(split: str, index: int) -> Iterator[SampleImage]:
        rng = np.random.default_rng([seed, SPLITS.index(split), 1, index])
        coil = invent_coil(rng, difficulty)
        for defects in plans[split][index * STRIPS : (index + 1) * STRIPS]:
            yield draw_strip(rng, coil, defects, difficulty)

    return _SET.write(out, level, seed, counts, draw, _rows, progress)


def _rows(name: str, strip: SampleImage) -> Iterator[str]:
    for number, label in enumerate(SEVERSTAL_CLASSES, start=1):
        if label in strip.masks:
            yield f'{name},{number},{encode_runs(strip.masks[label])}'
