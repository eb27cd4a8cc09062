"""Files and parts that stand in two splits, or twice in one."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from mmdefect.datasets.audit.finding import Finding, FindingList, Marked
from mmdefect.datasets.audit.table import AuditTable
from mmdefect.wording import counted

__all__ = ['check_splits', 'mark_image']


def check_splits(table: AuditTable, found: FindingList) -> set[int]:
    """Look for image files and parts that stand where they must not; reads no image.

    Args:
        table (AuditTable): The data set.
        found (FindingList): Where findings are added.

    Returns:
        set[int]: Images that repeat an earlier file; they need no look at their pixels.

    Example:
        >>> from pathlib import Path
        >>> table = AuditTable(['train', 'val'], [], [Path('a.png'), Path('a.png')],
        ...     np.array([0, 1]), np.array([[64, 48]] * 2), [None, None], np.zeros(3, int),
        ...     box_ids=[(), ()])
        >>> found = FindingList()
        >>> check_splits(table, found), [finding.what for finding in found.of('leak')]
        ({1}, ['the same file stands in train and val'])
    """
    by_file: defaultdict[str, list[int]] = defaultdict(list)
    folders: dict[Path, str] = {}
    for image, path in enumerate(table.paths):
        if path.parent not in folders:
            folders[path.parent] = str(path.parent.resolve())
        by_file[f'{folders[path.parent]}/{path.name}'].append(image)
    repeated: set[int] = set()
    for images in by_file.values():
        if len(images) == 1:
            continue
        repeated.update(images[1:])
        splits = _splits(table, images)
        marked = tuple(mark_image(table, image) for image in images[:4])
        if len(splits) > 1:
            what = f'the same file stands in {" and ".join(splits)}'
            kind, split = 'leak', ' / '.join(splits)
        else:
            what = f'the same file stands {len(images)} times in {splits[0]}'
            kind, split = 'repeated-image', splits[0]
        classes = _classes(table, images)
        found.add(Finding(kind, table.where(images[0]), what, split, classes, marked))
    by_part: defaultdict[str, list[int]] = defaultdict(list)
    for image, part in enumerate(table.parts):
        if part is not None:
            by_part[part].append(image)
    for part, images in by_part.items():
        splits = _splits(table, images)
        if len(splits) > 1:
            where = Counter(table.split_name(image) for image in images)
            counts = [f'{counted(where[name], "image")} in {name}' for name in splits]
            firsts = [next(i for i in images if table.split_name(i) == name) for name in splits]
            marked = tuple(mark_image(table, image) for image in firsts)
            what = f'part {part}: {", ".join(counts)}'
            classes = _classes(table, firsts)
            where = table.where(firsts[1])
            found.add(Finding('part-leak', where, what, ' / '.join(splits), classes, marked))
    return repeated


def mark_image(table: AuditTable, image: int) -> Marked:
    """Show an image with all its boxes.

    Args:
        table (AuditTable): The data set.
        image (int): Row of the image.

    Returns:
        Marked: The image and its boxes.
    """
    rows = table.rows(image)
    classes = tuple(table.classes[label] for label in table.labels[rows])
    return Marked(image, table.boxes[rows], classes)


def _splits(table: AuditTable, images: list[int]) -> list[str]:
    return [table.splits[split] for split in sorted({int(table.split_of[i]) for i in images})]


def _classes(table: AuditTable, images: list[int]) -> tuple[str, ...]:
    labels = np.unique(np.concatenate([table.labels[table.rows(image)] for image in images]))
    return tuple(table.classes[label] for label in labels.tolist())
