"""Which findings of an audit a page shows, and the small pictures of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit import Audit, AuditTable, Finding, Marked
from mmdefect.datasets.images import read_image
from mmdefect.errors import InputError
from mmdefect.report.pictures import crop_window, encode_picture

__all__ = ['choose_findings', 'describe_findings']

_PICTURE_SIDE = 360
_CROP_SIDE = 200
# Boxes drawn around those a finding is about.
_MOST_BOXES = 300
# A crop that shows this share of the image or more is not worth it.
_MOST_OF = 0.7
_MOST_TEXT = 400


def choose_findings(findings: Sequence[Finding], limit: int) -> list[Finding]:
    """Choose the worst findings of a kind, by turns from each class and split.

    Args:
        findings (Sequence[Finding]): Those of one kind, worst first.
        limit (int): How many at most, 0 or more.

    Returns:
        list[Finding]: The chosen ones, worst first.

    Raises:
        ValueError: ``limit`` is negative.

    Example:
        >>> of = lambda where, *names: Finding('cut-box', where, '', classes=names)
        >>> some = [of('1', 'rust'), of('2', 'rust'), of('3', 'chip')]
        >>> [finding.where for finding in choose_findings(some, 2)]
        ['1', '3']
    """
    if limit < 0:
        raise ValueError(f'limit must be 0 or more, got {limit}')
    turns: dict[tuple[str, tuple[str, ...]], int] = {}
    order = []
    for number, finding in enumerate(findings):
        group = (finding.split, finding.classes)
        turns[group] = turns.get(group, -1) + 1
        order.append((turns[group], number))
    return [findings[number] for number in sorted(number for _, number in sorted(order)[:limit])]


def describe_findings(
    audit: Audit,
    findings: Iterable[Finding],
    with_pictures: bool = True,
    track: Callable[..., Iterable[Any]] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Describe findings for the page, with crops and every image once.

    One image is in memory at a time, besides what is embedded: about 15 kB per image and 5 kB
    per crop.

    Args:
        audit (Audit): What was found.
        findings (Iterable[Finding]): Findings to show.
        with_pictures (bool): Read the image files. Default True.
        track (Callable | None): Shows progress; called with the images and a title. Default None.

    Returns:
        tuple[list[dict], list[dict]]: JSON-ready findings, whose ``parts`` name pictures by
        number, and the pictures.

    Example:
        >>> from mmdefect.datasets.audit import FindingList, compute_statistics
        >>> table = AuditTable(['train'], [])
        >>> audit = Audit('steel', table, FindingList(), compute_statistics(table), {}, None, True)
        >>> items, pictures = describe_findings(audit, [Finding('empty-class', 'classes', 'none')])
        >>> items[0]['parts'], pictures
        ([], [])
    """
    table = audit.table
    root = f'{table.shared_folder()}{os.sep}'
    items = []
    uses: dict[int, list[tuple[dict[str, Any], Marked]]] = {}
    for finding in findings:
        parts: list[dict[str, Any]] = []
        for marked in finding.marked:
            part = _part(table, marked)
            parts.append(part)
            uses.setdefault(marked.image, []).append((part, marked))
        items.append(
            {
                'kind': finding.kind,
                'split': finding.split,
                'classes': [table.classes.index(name) for name in finding.classes],
                'where': _short(finding.where, root),
                'what': _short(finding.what, root),
                'parts': parts,
            }
        )
    pictures = []
    images = sorted(uses)
    depth = audit.files.bit_depth if audit.files else None
    for number, image in enumerate(images if track is None else track(images, 'pictures')):
        pixels, problem = _read(table.paths[image], depth) if with_pictures else (None, '')
        size = tuple(table.sizes[image].tolist())
        rows = table.rows(image)
        around = np.column_stack([table.boxes[rows], table.labels[rows]])[:_MOST_BOXES]
        pictures.append(
            {
                'name': _short(str(table.paths[image]), root),
                'split': table.split_name(image),
                'width': size[0],
                'height': size[1],
                'picture': None if pixels is None else encode_picture(pixels, _PICTURE_SIDE),
                'problem': problem,
                'boxes': np.round(around.astype(np.float64), 1).tolist(),
            }
        )
        for part, marked in uses[image]:
            part['picture'] = number
            if marked.close:
                _add_crop(part, marked, size, pixels)
    return items, pictures


def _part(table: AuditTable, marked: Marked) -> dict[str, Any]:
    boxes = np.round(marked.boxes.astype(np.float64), 1).tolist()
    return {
        'boxes': [
            [*box, table.classes.index(name)]
            for box, name in zip(boxes, marked.classes, strict=True)
        ],
        'score': marked.score,
        'view': None,
        'crop': None,
    }


def _add_crop(
    part: dict[str, Any],
    marked: Marked,
    size: tuple[int, int],
    pixels: npt.NDArray[np.uint8] | None,
) -> None:
    boxes = marked.boxes.astype(np.float64)
    hull = [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]
    view = crop_window(hull, size)
    if (view[2] - view[0]) * (view[3] - view[1]) > _MOST_OF * size[0] * size[1]:
        return
    part['view'] = view
    # Where the file has another size, nobody knows what the boxes refer to.
    if pixels is None or pixels.shape[1::-1] != size:
        return
    x1, y1, x2, y2 = view
    part['crop'] = encode_picture(pixels[y1:y2, x1:x2], _CROP_SIDE)


def _read(path: Path, bit_depth: int | None) -> tuple[npt.NDArray[np.uint8] | None, str]:
    try:
        pixels = read_image(path, bit_depth)
    except InputError as error:
        return None, str(error).removeprefix(f'{path}: ')
    if pixels.dtype != np.uint8:
        pixels = cv2.convertScaleAbs(pixels)
    return pixels, ''


def _short(text: str, root: str) -> str:
    text = text.replace(root, '')
    return text if len(text) <= _MOST_TEXT else f'{text[: _MOST_TEXT - 1]}…'
