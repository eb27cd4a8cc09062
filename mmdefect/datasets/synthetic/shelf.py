"""Write the shelf data set: photos first, annotation files last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mmdefect.datasets.synthetic.sample_arguments import check_seed, find_level, part_counts
from mmdefect.datasets.synthetic.sample_images import SPLITS, SampleImage
from mmdefect.datasets.synthetic.sample_set import SampleSet
from mmdefect.datasets.synthetic.sample_summary import SampleSummary
from mmdefect.datasets.synthetic.shelf_level import LEVELS, ShelfLevel
from mmdefect.datasets.synthetic.shelf_photo import take_photo
from mmdefect.datasets.synthetic.shelf_scene import build_shelf
from mmdefect.errors import InputError

__all__ = ['SHELF_CLASSES', 'SHELF_PARTS', 'write_shelf']

# As the rows of SKU-110K call it.
SHELF_CLASSES = ('object',)
# Shelves per split.
SHELF_PARTS = {
    'easy': {'train': 24, 'val': 6, 'test': 6},
    'real': {'train': 120, 'val': 20, 'test': 40},
}

_PHOTOS = 2
_TRIES = 20
_SET = SampleSet(
    'shelf', 'Generated shelves of packed products', recipe=1, classes=SHELF_CLASSES,
    images=_PHOTOS, table='annotations/annotations_{}.csv',
)  # fmt: skip


def write_shelf(
    out: str | Path,
    level: str = 'easy',
    *,
    seed: int = 0,
    parts: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Write photos of shelves with 50 to 250 products that touch, one class.

    Layout: ``images/<split>/<part_id>_v<view>.jpg``; ``train.json``, ``val.json`` and
    ``test.json`` are COCO files; ``annotations/annotations_<split>.csv`` say the same in the
    format of SKU-110K. Each shelf is a part with two photos from different places, and no shelf
    is in two splits. A box is tight around what would be seen of the product without signs in
    front of it; products of which a photo shows less than 35 % have none.

    The same seed and level give the same bytes (with the same NumPy and OpenCV). A folder that
    already holds this very data set is left alone; one that holds another shelf data set is
    replaced.

    Args:
        out (str | Path): Folder to write to.
        level (str): ``easy`` (512 x 384 pixels, up to 110 products, from the front) or ``real``
            (1024 x 768, up to 250, perspective, changing light, neighbours that hardly differ).
            Default ``easy``.
        seed (int): Seed, >= 0. Default 0.
        parts (Mapping[str, int] | None): Number of shelves per split, each >= 0; splits not named
            keep those of :data:`SHELF_PARTS`. Default None.
        progress (Callable[[int, int], None] | None): Called after each shelf with the number of
            shelves done and the number of all. Default None.

    Returns:
        SampleSummary: Counts per split and sizes of the boxes; ``str()`` of it is a table.

    Raises:
        InputError: Unknown level or split, negative seed or number of shelves, a path that cannot
            be written, or a file in the way that this function did not write.

    Source:
        The format: Goldman, Herzig, Eisenschtat, Goldberger, Hassner: Precise Detection in
        Densely Packed Scenes, CVPR 2019.

    Example:
        >>> import tempfile
        >>> few = {'train': 1, 'val': 0, 'test': 0}
        >>> write_shelf(tempfile.mkdtemp(), parts=few).splits['train'].images
        2
    """
    difficulty = find_level('shelf', LEVELS, level)
    counts = part_counts('shelf', SHELF_PARTS[level], parts)
    check_seed('shelf', seed)
    return _SET.write(
        out, level, seed, counts,
        draw=lambda split, index: _draw(seed, split, index, difficulty),
        rows=_rows, progress=progress,
    )  # fmt: skip


def _draw(seed: int, split: str, index: int, level: ShelfLevel) -> list[SampleImage]:
    """The photos of one shelf, both with as many products as the level says."""
    low, high = level.products
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    # Evenly spread on a logarithmic scale, away from the limits.
    wanted = low * 1.1 * (high / low / 1.25) ** rng.random()
    for _ in range(_TRIES):
        shelf = build_shelf(rng, level, wanted)
        photos = [take_photo(rng, shelf, level) for _ in range(_PHOTOS)]
        shown = [len(photo.labels) for photo in photos]
        if low <= min(shown) and max(shown) <= high:
            break
        # Towards the middle.
        wanted = 0.5 * wanted + 0.5 * np.sqrt(low * high)
    else:
        raise InputError(
            f'sample-data shelf: seed {seed} draws no shelf {index} of {split!r} with {low} to '
            f'{high} products; choose another seed'
        )
    return photos


def _rows(name: str, photo: SampleImage) -> Iterator[str]:
    height, width = photo.image.shape[:2]
    for box in photo.boxes.tolist():
        yield f'{name},{",".join(map(str, box))},{SHELF_CLASSES[0]},{width},{height}'
