"""The page of an audit: what was found, with pictures, and what the data set holds."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mmdefect.datasets.audit import KINDS, QUANTILES, Audit, ClassStatistics
from mmdefect.drawing import class_colours
from mmdefect.report.audit_pictures import choose_findings, describe_findings
from mmdefect.report.pictures import Track, untracked
from mmdefect.report.rendering import check_target, write_page
from mmdefect.report.run_facts import version_text

__all__ = ['write_audit']

_SCRIPTS = ('base.js', 'tags.js', 'pictures.js', 'audit.js')
# Key of the quantiles, title, what it means.
_MEASURES = (
    ('ratio', 'Ratio w/h', 'Width divided by height. AnchorGenerator.ratios are h/w: use 1 / x.'),
    ('side', 'Size in pixels', 'Root of the area.'),
    ('width', 'Width in pixels', 'Of the boxes.'),
    ('height', 'Height in pixels', 'Of the boxes.'),
    ('share', 'Share of the image', 'Area of the box divided by that of its image.'),
    (
        'per_image',
        'Boxes per image',
        'A class: of images that have any. All: of every image.',
    ),
)


def write_audit(
    audit: Audit,
    target: Path,
    *,
    most: int = 24,
    with_pictures: bool = True,
    track: Track = untracked,
) -> Path:
    """Write one self-contained HTML file about an audit.

    The page needs no other file and no network. Of each kind the worst findings are shown, by
    turns of each class and split, and how many there are.

    Args:
        audit (Audit): What was found.
        target (Path): HTML file to write.
        most (int): Findings of a kind that are shown, at most. Default 24.
        with_pictures (bool): Read the image files. Default True.
        track (Track): Shows the progress of reading images. Default: nothing.

    Returns:
        Path: The file written.

    Raises:
        InputError: The target cannot be written.
        ValueError: ``most`` is negative.

    Example:
        >>> import tempfile
        >>> from mmdefect.datasets.audit import AuditTable, FindingList, compute_statistics
        >>> table = AuditTable(['train'], [])
        >>> audit = Audit('steel', table, FindingList(), compute_statistics(table), {}, None, True)
        >>> write_audit(audit, Path(tempfile.mkdtemp()) / 'audit.html').name
        'audit.html'
    """
    check_target(target)
    kinds = audit.found.kinds()
    chosen = [finding for kind in kinds for finding in choose_findings(audit.found.of(kind), most)]
    items, pictures = describe_findings(audit, chosen, with_pictures, track)
    colours = class_colours(len(audit.table.classes))
    rows = [_kind_row(audit, kind, items) for kind in kinds]
    data = {
        'classes': audit.table.classes,
        'colours': colours,
        'splits': [name for name in audit.table.splits if name],
        'kinds': [{key: row[key] for key in ('key', 'title', 'severity', 'count')} for row in rows],
        'pictures': pictures,
        'items': items,
    }
    write_page(
        target,
        'audit.html',
        _SCRIPTS,
        data,
        title=', '.join(Path(part).name or part for part in audit.name.split(', ')),
        audit=audit,
        kinds=rows,
        items=items,
        unseen=sum(1 for picture in pictures if with_pictures and picture['problem']),
        statistics=audit.statistics,
        good=sum(split.good for split in audit.statistics.splits),
        boxes=sum(audit.statistics.total.boxes),
        with_parts=any(split.parts for split in audit.statistics.splits),
        classes=_class_rows(audit, colours),
        measures=_measures(audit, colours),
        levels=[f'{level:.0%}' for level in QUANTILES],
        with_pictures=with_pictures,
        versions=version_text(),
        written=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
    )
    return target


def _kind_row(audit: Audit, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    per_class = audit.found.per_class.get(kind)
    return {
        'key': kind,
        'title': KINDS[kind].title,
        'severity': KINDS[kind].severity,
        'about': KINDS[kind].about,
        'mend': KINDS[kind].mend,
        'count': audit.found.totals[kind],
        'shown': sum(item['kind'] == kind for item in items),
        'classes': per_class.most_common(8) if per_class and audit.found.totals[kind] > 1 else [],
    }


def _class_rows(audit: Audit, colours: list[str]) -> list[dict[str, Any]]:
    """What the table of classes shows, in the order of the classes."""
    highest = max((sum(row.boxes) for row in audit.statistics.classes), default=0)
    return [
        {
            'name': row.name,
            'colour': colour,
            'boxes': row.boxes,
            'total': sum(row.boxes),
            'images': sum(row.images),
            'bar': 100 * sum(row.boxes) / max(highest, 1),
            'touching': row.touching / max(sum(row.boxes), 1),
            'half_image': row.half_image / max(sum(row.boxes), 1),
            'found': sum(
                counts[row.name]
                for kind, counts in audit.found.per_class.items()
                if KINDS[kind].severity == 'problem'
            ),
        }
        for row, colour in zip(audit.statistics.classes, colours, strict=True)
    ]


def _measures(audit: Audit, colours: list[str]) -> list[dict[str, Any]]:
    def cells(row: ClassStatistics, key: str) -> list[str]:
        values = row.quantiles[key]
        return [f'{value:.1%}' if key == 'share' else f'{value:.3g}' for value in values]

    total = audit.statistics.total
    return [
        {
            'title': title,
            'about': about,
            'rows': [
                {'name': row.name, 'colour': colour, 'cells': cells(row, key)}
                for row, colour in zip(audit.statistics.classes, colours, strict=True)
                if row.quantiles
            ],
            'all': cells(total, key),
        }
        for key, title, about in (_MEASURES if total.quantiles else ())
    ]
