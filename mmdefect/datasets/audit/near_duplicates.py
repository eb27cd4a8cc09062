"""Images that look nearly the same, within a split and across splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit.finding import Finding, FindingList
from mmdefect.datasets.audit.image_files import ImageFacts
from mmdefect.datasets.audit.perceptual_hash import close_hashes, hamming
from mmdefect.datasets.audit.split_checks import mark_image
from mmdefect.datasets.audit.table import AuditTable
from mmdefect.datasets.audit.thumbnail_match import CORRELATION, correlate, leave_out_common
from mmdefect.datasets.audit.touching_boxes import connected_boxes

__all__ = ['BLANK', 'LookAlikes', 'check_look_alikes', 'find_look_alikes']

# Bits of the hash that may differ; copies by JPEG quality 30, noise or blur differ in so many.
_MOST_BITS = 10
# Below this standard deviation (of 255) there is nothing to compare.
BLANK = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LookAlikes:
    """Pairs of images that look nearly the same.

    Args:
        first (np.ndarray): Images, int64, shape (P,).
        second (np.ndarray): Their look-alikes, each above ``first``, int64, shape (P,).
        bits (np.ndarray): Bits of 64 in which the hashes differ, uint8, shape (P,).
        correlation (np.ndarray): Of the thumbnails, float32, 0.98 to 1, shape (P,).
        whole (bool): All pairs are there; False when there are very many.

    Example:
        >>> find_look_alikes([], [], []).whole
        True
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    bits: npt.NDArray[np.uint8]
    correlation: npt.NDArray[np.float32]
    whole: bool


def find_look_alikes(
    images: Sequence[int], facts: Sequence[ImageFacts], split_of: Sequence[int]
) -> LookAlikes:
    """Find images whose hashes differ in 10 bits at most and whose thumbnails correlate by 0.98.

    The hash finds candidates without comparing all with all; the correlation of the 32 x 32
    thumbnails throws out textures and dark images that only hash alike; and in a crowd of
    look-alikes, parts in one fixture, only those count that agree in what sets them apart from
    the crowd. Blank images are left out.

    Args:
        images (Sequence[int]): Numbers of N images, as they are to be returned.
        facts (Sequence[ImageFacts]): What each holds.
        split_of (Sequence[int]): Split of each; in a crowd of look-alikes all splits meet.

    Returns:
        LookAlikes: The pairs.

    Example:
        >>> from mmdefect.datasets.audit.perceptual_hash import perceptual_hash
        >>> small = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
        >>> one = ImageFacts(deviation=50., look=perceptual_hash(small), small=small)
        >>> pairs = find_look_alikes([4, 9], [one, one], [0, 0])
        >>> pairs.first.tolist(), pairs.second.tolist(), pairs.bits.tolist()
        ([4], [9], [0])
    """
    usable = [row for row, fact in enumerate(facts) if not fact.problem and fact.deviation >= BLANK]
    usable = _interleaved(usable, split_of)
    numbers = np.array([images[row] for row in usable], np.int64)
    hashes = np.array([facts[row].look for row in usable], np.uint64)
    first, second, whole = close_hashes(hashes, _MOST_BITS)
    small = np.array([facts[row].small.ravel() for row in usable], np.uint8)
    correlation = correlate(small, first, second)
    keep = correlation >= CORRELATION
    first, second, correlation = first[keep], second[keep], correlation[keep]
    keep = leave_out_common(small, first, second, correlation)
    first, second, correlation = first[keep], second[keep], correlation[keep]
    bits = hamming(hashes[first], hashes[second])
    pair = np.sort(np.stack([numbers[first], numbers[second]]), axis=0)
    order = np.lexsort((pair[1], pair[0]))
    return LookAlikes(pair[0, order], pair[1, order], bits[order], correlation[order], whole)


def _interleaved(rows: list[int], split_of: Sequence[int]) -> list[int]:
    """Order images so that every stretch holds all splits in proportion."""
    total: dict[int, int] = {}
    place: list[tuple[int, int]] = []
    for row in rows:
        split = split_of[row]
        place.append((total.get(split, 0), split))
        total[split] = total.get(split, 0) + 1
    share = [(number + 0.5) / total[split] for number, split in place]
    return [rows[index] for index in np.argsort(np.array(share), kind='stable').tolist()]


def check_look_alikes(
    table: AuditTable, facts: Sequence[ImageFacts], repeated: set[int], found: FindingList
) -> LookAlikes:
    """Report look-alikes: a leak between splits, more weight within one.

    Images of one part are views of the same thing: alike within a split by design, and reported
    as a part in two splits otherwise.

    Args:
        table (AuditTable): The data set.
        facts (Sequence[ImageFacts]): What each image file holds.
        repeated (set[int]): Images that are the same file as an earlier one.
        found (FindingList): Where findings are added.

    Returns:
        LookAlikes: All pairs, those of one part included.

    Example:
        >>> check_look_alikes(AuditTable(['train'], []), [], set(), FindingList()).whole
        True
    """
    images = [image for image in range(len(table)) if image not in repeated]
    splits = table.split_of[images].tolist()
    alike = find_look_alikes(images, [facts[image] for image in images], splits)
    other_part = np.array(
        [
            table.parts[a] is None or table.parts[a] != table.parts[b]
            for a, b in zip(alike.first.tolist(), alike.second.tolist(), strict=True)
        ],
        bool,
    )
    same_split = table.split_of[alike.first] == table.split_of[alike.second]
    _add_leaks(table, facts, alike, np.flatnonzero(~same_split & other_part), found)
    _add_groups(table, facts, alike, np.flatnonzero(same_split & other_part), found)
    return alike


def _add_leaks(
    table: AuditTable,
    facts: Sequence[ImageFacts],
    alike: LookAlikes,
    pairs: npt.NDArray[np.int64],
    found: FindingList,
) -> None:
    """One finding per image of a later split, with the image most like it of an earlier one."""
    swap = table.split_of[alike.first] > table.split_of[alike.second]
    earlier = np.where(swap, alike.second, alike.first)
    later = np.where(swap, alike.first, alike.second)
    order = pairs[np.lexsort((-alike.correlation[pairs], later[pairs]))]
    best = order[np.unique(later[order], return_index=True)[1]]

    def make(number: int) -> Finding:
        pair = int(best[number])
        early, late = int(earlier[pair]), int(later[pair])
        splits = [table.split_name(early), table.split_name(late)]
        how = _how(facts, alike, pair)
        what = f'{how} {table.paths[early]} of {splits[0]}'
        if _boxes_differ(table, early, late):
            what += '; its boxes differ'
        marked = (mark_image(table, late), mark_image(table, early))
        classes = tuple(dict.fromkeys(name for part in marked for name in part.classes))
        return Finding('leak', table.where(late), what, ' / '.join(splits), classes, marked)

    found.add_ranked('leak', alike.correlation[best], make)


def _how(facts: Sequence[ImageFacts], alike: LookAlikes, pair: int) -> str:
    if facts[alike.first[pair]].content == facts[alike.second[pair]].content:
        return 'has the same content as'
    return (
        f'looks like (correlation {alike.correlation[pair]:.3f}, {alike.bits[pair]} of 64 bits '
        'differ)'
    )


def _add_groups(
    table: AuditTable,
    facts: Sequence[ImageFacts],
    alike: LookAlikes,
    pairs: npt.NDArray[np.int64],
    found: FindingList,
) -> None:
    """One finding per group of look-alikes of a split; equal files with other boxes apart."""
    equal = np.array(
        [
            facts[a].content == facts[b].content
            for a, b in zip(alike.first[pairs].tolist(), alike.second[pairs].tolist(), strict=True)
        ],
        bool,
    )
    differ = np.zeros(len(pairs), bool)
    for number in np.flatnonzero(equal).tolist():
        pair = pairs[number]
        differ[number] = _boxes_differ(table, int(alike.first[pair]), int(alike.second[pair]))
    for kind, chosen in (('conflicting-labels', differ), ('near-duplicate', ~differ)):
        mine = pairs[chosen]
        lowest: dict[int, float] = {}
        for pair in mine.tolist():
            for image in (int(alike.first[pair]), int(alike.second[pair])):
                lowest[image] = min(lowest.get(image, 1.0), float(alike.correlation[pair]))
        for group in connected_boxes(alike.first[mine], alike.second[mine]):
            images = group.tolist()
            names = ', '.join(str(table.paths[image]) for image in images[1:4])
            more = f' and {len(images) - 4} more' if len(images) > 4 else ''
            if kind == 'near-duplicate':
                least = min(lowest[image] for image in images)
                what = f'{len(images)} images look alike (correlation {least:.3f} or more)'
            else:
                counts = ' and '.join(str(len(mark_image(table, i).boxes)) for i in images[:4])
                what = f'{len(images)} files have the same content but other boxes ({counts})'
            marked = tuple(mark_image(table, image) for image in images[:4])
            classes = tuple(dict.fromkeys(name for part in marked for name in part.classes))
            found.add(
                Finding(
                    kind,
                    table.where(images[0]),
                    f'{what}: {names}{more}',
                    table.split_name(images[0]),
                    classes,
                    marked,
                )
            )


def _boxes_differ(table: AuditTable, first: int, second: int) -> bool:
    rows = []
    for image in (first, second):
        mine = table.rows(image)
        row = np.column_stack([table.labels[mine], np.round(table.boxes[mine])])
        rows.append(row[np.lexsort(row.T)])
    return not np.array_equal(rows[0], rows[1])
