"""The page that puts two runs side by side."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mmdefect.drawing import class_colours
from mmdefect.evaluation.image_errors import describe_errors
from mmdefect.report.album import Album
from mmdefect.report.chart_data import SERIES_COLOURS, error_rows, run_data
from mmdefect.report.class_table import COMPARED, compared_rows, difference
from mmdefect.report.comparison import common_part, found_by_one
from mmdefect.report.evaluation import Evaluation, load_evaluation
from mmdefect.report.gallery import picture_entry
from mmdefect.report.items import choose_items
from mmdefect.report.logs import read_logs
from mmdefect.report.pictures import Track, untracked
from mmdefect.report.rendering import check_target, write_page
from mmdefect.report.results import image_result
from mmdefect.report.run_facts import date_text, trained_for, version_text

__all__ = ['write_comparison']

_SCRIPTS = (
    'base.js', 'charts.js', 'bars.js', 'tags.js', 'pictures.js', 'item_list.js', 'curves.js',
    'errors.js', 'compare.js', 'start.js',
)  # fmt: skip


def write_comparison(
    first_dir: Path, second_dir: Path, target: Path, *, items: int = 300, track: Track = untracked
) -> Path:
    """Write one self-contained HTML file about two runs.

    A is the run that is looked at, B the one it is compared with; differences are A minus B.

    Args:
        first_dir (Path): Work directory of A, with ``evaluation.json``.
        second_dir (Path): Work directory of B.
        target (Path): HTML file to write.
        items (int): Boxes found by one run only that are shown, at most. Default 300.
        track (Track): Shows the progress of reading images. Default: nothing.

    Returns:
        Path: The file written.

    Raises:
        InputError: An evaluation is missing or not usable, the runs have no class or no image in
            common, or the target cannot be written.

    Example:
        >>> write_comparison(Path('no-such-folder'), Path('.'), Path('a.html'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: no-such-folder: no such work directory; \
tools/test.py CONFIG CHECKPOINT --work-dir no-such-folder writes it
    """
    folders = (first_dir, second_dir)
    names = _names(*folders)
    one, other = (load_evaluation(folder) for folder in folders)
    first, second, notes = common_part(one, other, (str(first_dir), str(second_dir)))
    runs = (first, second)
    parts = (first.parts, second.parts)
    check_target(target)
    logs = [read_logs(folder) for folder in folders]
    colours = class_colours(len(runs[0].classes))
    data, context = _images(runs, items, track)
    write_page(
        target,
        'compare.html',
        _SCRIPTS,
        {
            'classes': runs[0].classes,
            'colours': colours,
            'series': class_colours(SERIES_COLOURS),
            'runs': [
                {'letter': letter, 'name': letter, **run_data(run, log)}
                for letter, run, log in zip('AB', runs, logs, strict=True)
            ],
            **data,
        },
        title=f'{names[0]} against {names[1]}',
        runs=[
            {
                'letter': letter,
                'name': name,
                'evaluation': run,
                'created': date_text(run.created),
                'trained_for': trained_for(run, log),
            }
            for letter, name, run, log in zip('AB', names, runs, logs, strict=True)
        ],
        notes=notes,
        tiles=_tiles(*runs),
        metrics=COMPARED,
        rows=compared_rows(first, second, colours),
        part_runs=list(zip('AB', parts, strict=True)) if all(parts) else [],
        error_types=error_rows(*runs),
        logs=logs,
        versions=version_text(),
        written=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        **context,
    )
    return target


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The shortest ends of both paths that differ, as far as they do."""
    one, two = first.resolve().parts, second.resolve().parts
    length = 1
    while one[-length:] == two[-length:] and length < max(len(one), len(two)):
        length += 1
    return '/'.join(one[-length:]), '/'.join(two[-length:])


def _tiles(first: Evaluation, second: Evaluation) -> list[dict[str, Any]]:
    """Headline numbers of both runs and the first minus the second."""
    explained = {
        'AP50': 'Boxes found and ranked right, where half overlap is enough.',
        'AP': 'The same, averaged over IoU 0.50 to 0.95.',
        'AR': 'Share of defects found at any score.',
    }
    values = [
        (name, text, first.metrics.get(name), second.metrics.get(name))
        for name, text in explained.items()
    ]
    at = [run.operating for run in (first, second)]
    best = ' and '.join(
        f'{letter} from {one.threshold:.2f}' for letter, one in zip('AB', at, strict=True)
    )
    values.append(('F1', f'The best of each run: {best} on.', at[0].f1, at[1].f1))
    return [
        {'name': name, 'text': text, 'values': (one, two), 'difference': difference(one, two)}
        for name, text, one, two in values
    ]


def _images(
    runs: tuple[Evaluation, Evaluation], limit: int, track: Track
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Pictures and boxes found by one run, and what the template says about them."""
    images = (runs[0].images, runs[1].images)
    thresholds = (runs[0].operating.threshold, runs[1].operating.threshold)
    first, second = (
        describe_errors([image_result(image) for image in run.images], threshold)
        for run, threshold in zip(runs, thresholds, strict=True)
    )
    errors = (first, second)
    found, unequal = found_by_one(images, errors, thresholds)
    shown = choose_items(found, limit, lambda item: item.finder == 0)
    album = Album(images[0])
    for item in shown:
        album.add(item.image, item.box)
    album.embed(track)
    pictures = []
    for index, picture in album:
        entries = [
            picture_entry(run.images[index], described[index].matches, picture, threshold)
            for run, described, threshold in zip(runs, errors, thresholds, strict=True)
        ]
        both = [entry.pop('found') for entry in entries]
        pictures.append({**entries[0], 'runs': both})
    data = {
        'pictures': pictures,
        'crops': album.crops,
        'items': [
            {
                **album.place(item.image, item.box),
                'finder': item.finder,
                'label': item.label,
                'box': item.box,
                'score': item.score,
                'loserScore': item.loser_score,
            }
            for item in shown
        ],
    }
    counts = [sum(item.finder == run for item in found) for run in (0, 1)]
    context = {
        'items': shown,
        'only': counts,
        'all_shown': len(shown) == len(found),
        'unequal': unequal,
        'thresholds': thresholds,
    }
    return data, context
