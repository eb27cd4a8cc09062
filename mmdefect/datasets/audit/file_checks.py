"""Image files that are damaged, odd, or not what their annotations say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mmdefect.datasets.audit.finding import Finding, FindingList, Marked
from mmdefect.datasets.audit.image_files import ImageFacts
from mmdefect.datasets.audit.near_duplicates import BLANK
from mmdefect.datasets.audit.split_checks import mark_image
from mmdefect.datasets.audit.table import AuditTable
from mmdefect.wording import counted

__all__ = ['FileSummary', 'check_files', 'guess_bit_depth']

_DEPTHS = (10, 12, 14, 16)
_SUFFIXES = {
    'BMP': ('.bmp',),
    'JPEG': ('.jpg', '.jpeg', '.jpe', '.jfif'),
    'PNG': ('.png',),
    'TIFF': ('.tif', '.tiff'),
    'WEBP': ('.webp',),
}
_MOST_KINDS = 8
# By (shows grey only, channels).
_CHANNELS = {(True, 1): 'grey', (True, 3): 'grey in three channels', (False, 3): 'colour'}


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What the image files of a data set are, counted.

    Args:
        formats (dict[str, int]): Files per file format.
        channels (dict[str, int]): Files per ``grey``, ``grey in three channels``, ``colour``.
        depths (dict[str, int]): Files per ``8-bit`` and ``16-bit``.
        sizes (dict[str, int]): Files per ``w x h``, the 8 most frequent first, then ``others``.
        turned (int): Files with an EXIF orientation to undo.
        largest (int): Largest value of all 16-bit files; 0 without any.
        bit_depth (int | None): Bits that it fills, 10, 12, 14 or 16; None without 16-bit files.
        seconds (float): Time the files took.
        images_per_second (float): Files decoded per second.

    Example:
        >>> check_files(AuditTable(['train'], []), [], FindingList()).bit_depth is None
        True
    """

    formats: dict[str, int]
    channels: dict[str, int]
    depths: dict[str, int]
    sizes: dict[str, int]
    turned: int
    largest: int
    bit_depth: int | None
    seconds: float = 0.0
    images_per_second: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it.

        Returns:
            dict[str, Any]: The fields.
        """
        return asdict(self)


def guess_bit_depth(largest: int) -> int:
    """Guess how many bits a camera fills from the largest value it wrote.

    Args:
        largest (int): Largest value of the 16-bit files of a data set.

    Returns:
        int: The smallest of 10, 12, 14 and 16 that holds it.

    Raises:
        ValueError: The value needs more than 16 bits.

    Example:
        >>> guess_bit_depth(4095), guess_bit_depth(4096)
        (12, 14)
    """
    if not 0 <= largest < 1 << _DEPTHS[-1]:
        raise ValueError(f'largest must be 0 to 65535, got {largest}')
    return next(depth for depth in _DEPTHS if largest < 1 << depth)


def check_files(
    table: AuditTable, facts: Sequence[ImageFacts], found: FindingList, seconds: float = 0.0
) -> FileSummary:
    """Compare image files with their annotations and with each other.

    Args:
        table (AuditTable): The data set.
        facts (Sequence[ImageFacts]): What each image file holds.
        found (FindingList): Where findings are added.
        seconds (float): Time that took. Default 0: not measured.

    Returns:
        FileSummary: Counts.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> table = AuditTable(['train'], [], [Path('a.png')], np.zeros(1, int),
        ...     np.array([[64, 48]]), [None], np.zeros(2, int), box_ids=[()])
        >>> found = FindingList()
        >>> _ = check_files(table, [ImageFacts(size=(48, 64), channels=1, grey=True,
        ...                                    file_format='PNG', deviation=9.)],
        ...                 found)
        >>> found.of('size-mismatch')[0].what
        'file has 48 x 64 pixels (w x h), annotated are 64 x 48; turned, as before EXIF rotation'
    """
    counts: dict[str, Counter[str]] = {
        key: Counter() for key in ('formats', 'channels', 'depths', 'sizes')
    }
    turned = largest = 0
    for image, fact in enumerate(facts):
        if fact.problem:
            _add(table, found, 'unreadable-image', image, fact.problem, show=False)
            continue
        counts['formats'][fact.file_format] += 1
        counts['channels'][_CHANNELS[fact.grey, fact.channels]] += 1
        counts['depths']['16-bit' if fact.deep else '8-bit'] += 1
        counts['sizes'][f'{fact.size[0]} x {fact.size[1]}'] += 1
        turned += fact.orientation != 1
        largest = max(largest, fact.largest)
        _check_one(table, fact, image, found)
    depth = guess_bit_depth(largest) if counts['depths']['16-bit'] else None
    if depth is not None:
        what = (
            f'{counted(counts["depths"]["16-bit"], "file")} with 16 bits per value; the largest is '
            f"{largest}, which fills {depth} bits: dict(type='mmdefect.LoadImage', "
            f'bit_depth={depth})'
        )
        found.add(Finding('deep-image', 'images', what, marked=_examples(facts, 'deep', table)))
    for key, name in (
        ('channels', 'grey and colour'), ('depths', 'depths'), ('formats', 'file formats'),
        ('sizes', 'sizes (w x h)'),
    ):  # fmt: skip
        # Grey is grey, in however many channels.
        if len(counts[key].keys() - {'grey in three channels'}) > 1:
            what = f'different {name}: {_listed(counts[key])}'
            found.add(Finding('mixed-images', 'images', what))
    return FileSummary(
        formats=dict(counts['formats'].most_common()),
        channels=dict(counts['channels'].most_common()),
        depths=dict(counts['depths'].most_common()),
        sizes=_largest_counts(counts['sizes']),
        turned=turned,
        largest=largest,
        bit_depth=depth,
        seconds=round(seconds, 3),
        images_per_second=round(len(facts) / seconds, 1) if seconds else 0.0,
    )


def _check_one(table: AuditTable, fact: ImageFacts, image: int, found: FindingList) -> None:
    annotated = tuple(table.sizes[image].tolist())
    if fact.size != annotated:
        turned = '; turned, as before EXIF rotation' if fact.size == annotated[::-1] else ''
        what = (
            f'file has {fact.size[0]} x {fact.size[1]} pixels (w x h), annotated are '
            f'{annotated[0]} x {annotated[1]}{turned}'
        )
        _add(table, found, 'size-mismatch', image, what)
    if fact.deviation < BLANK:
        what = f'standard deviation of the grey values is {fact.deviation:.2f} of 255'
        _add(table, found, 'blank-image', image, what)
    if fact.orientation != 1:
        what = f'EXIF orientation {fact.orientation}'
        _add(table, found, 'exif-rotated', image, what)
    if fact.alpha:
        _add(table, found, 'alpha-channel', image, f'{fact.file_format} with transparency')
    suffix = table.paths[image].suffix.lower()
    if suffix not in _SUFFIXES.get(fact.file_format, (suffix,)):
        what = f'named {suffix}, holds {fact.file_format}'
        _add(table, found, 'wrong-suffix', image, what, show=False)


def _add(
    table: AuditTable, found: FindingList, kind: str, image: int, what: str, show: bool = True
) -> None:
    marked = (mark_image(table, image),) if show else ()
    classes = tuple(
        dict.fromkeys(table.classes[label] for label in table.labels[table.rows(image)])
    )
    found.add(Finding(kind, table.where(image), what, table.split_name(image), classes, marked))


def _examples(facts: Sequence[ImageFacts], key: str, table: AuditTable) -> tuple[Marked, ...]:
    images = [image for image, fact in enumerate(facts) if getattr(fact, key)]
    return tuple(mark_image(table, image) for image in images[:2])


def _largest_counts(counts: Counter[str]) -> dict[str, int]:
    shown = dict(counts.most_common(_MOST_KINDS))
    rest = counts.total() - sum(shown.values())
    return {**shown, 'others': rest} if rest else shown


def _listed(counts: Counter[str]) -> str:
    return ', '.join(f'{name} {count}' for name, count in _largest_counts(counts).items())
