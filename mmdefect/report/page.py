"""The report page: numbers, curves and images of one run, put into one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mmdefect.drawing import class_colours
from mmdefect.errors import InputError
from mmdefect.report.album import Album
from mmdefect.report.chart_data import SERIES_COLOURS, error_rows, run_data
from mmdefect.report.class_table import class_rows
from mmdefect.report.comparison_page import write_comparison
from mmdefect.report.counting import Counting, counting_from
from mmdefect.report.evaluation import Evaluation, load_evaluation
from mmdefect.report.gallery import choose_images, picture_entry
from mmdefect.report.items import Item, choose_items, find_items
from mmdefect.report.logs import read_logs
from mmdefect.report.pictures import Track, untracked
from mmdefect.report.rendering import check_target, write_page
from mmdefect.report.results import image_result, match_images
from mmdefect.report.run_facts import (
    config_text,
    date_text,
    run_title,
    summary_rows,
    trained_for,
    version_text,
)
from mmdefect.report.tile_places import place_items, tile_rows

__all__ = ['write_report']

_SCRIPTS = (
    'base.js', 'charts.js', 'bars.js', 'matrix.js', 'tags.js', 'pictures.js', 'item_list.js',
    'curves.js', 'errors.js', 'operating.js', 'items.js', 'gallery.js', 'start.js',
)  # fmt: skip


def write_report(
    work_dir: Path,
    out: Path | None = None,
    *,
    compare: Path | None = None,
    items: int = 300,
    policy: Path | None = None,
    threshold: float | None = None,
    track: Track = untracked,
) -> Path:
    """Write one self-contained HTML file about the latest evaluation in a work directory.

    The page needs no other file and no network. What is missing (training logs, image files) is
    said in the page.

    Args:
        work_dir (Path): Folder with ``evaluation.json``; training logs, ``summary.json`` and the
            config are shown where they exist.
        out (Path | None): Target file. Default None: ``work_dir/report.html``, with ``compare``
            ``work_dir/compare.html``.
        compare (Path | None): Folder of another run to put beside it. Default None.
        items (int): Missed defects and false alarms shown one by one, at most. Default 300.
        policy (Path | None): Policy file whose thresholds say what is missed and what is a false
            alarm. Default None.
        threshold (float | None): The same, one threshold for all classes, 0 to 1. Default None:
            that of the highest F1.
        track (Track): Shows the progress of reading images. Default: nothing.

    Returns:
        Path: The file written.

    Raises:
        InputError: There is no usable ``evaluation.json``, the target cannot be written, or the
            runs have nothing in common, or the thresholds are not of this model.
        ValueError: ``items`` is negative.

    Example:
        >>> import tempfile
        >>> from mmdefect.evaluation.evidence import make_evidence
        >>> from mmdefect.fileio import write_json
        >>> from mmdefect.structures import EVALUATION_FORMAT
        >>> work_dir = Path(tempfile.mkdtemp())
        >>> evidence = make_evidence([], ['scratch'], max_dets=100)
        >>> write_json(work_dir / 'evaluation.json', {'format': EVALUATION_FORMAT, **evidence})
        >>> write_report(work_dir).name
        'report.html'
    """
    work_dir = Path(work_dir)
    name = 'report.html' if compare is None else 'compare.html'
    target = Path(out) if out is not None else work_dir / name
    if compare is not None:
        if policy is not None or threshold is not None:
            raise InputError(
                '--policy and --threshold do not go with --compare, which takes the highest F1 of '
                'each run; leave them out'
            )
        return write_comparison(work_dir, Path(compare), target, items=items, track=track)
    evaluation = load_evaluation(work_dir)
    counting = counting_from(evaluation, work_dir, policy, threshold)
    check_target(target)
    log = read_logs(work_dir)
    colours = class_colours(len(evaluation.classes))
    data, context = _images(evaluation, counting, items, track)
    summary, summary_problem = summary_rows(work_dir)
    write_page(
        target,
        'report.html',
        _SCRIPTS,
        {
            'classes': evaluation.classes,
            'colours': colours,
            'series': class_colours(SERIES_COLOURS),
            'runs': [run_data(evaluation, log)],
            **data,
        },
        title=run_title(work_dir, evaluation),
        evaluation=evaluation,
        created=date_text(evaluation.created),
        trained_for=trained_for(evaluation, log),
        rows=class_rows(evaluation, colours),
        part_runs=[('', evaluation.parts)] if evaluation.parts else [],
        error_types=error_rows(evaluation),
        start=evaluation.operating.threshold,
        lowest=evaluation.score_table.lowest,
        log=log,
        logs=[log],
        summary=summary,
        summary_problem=summary_problem,
        config=config_text(work_dir, evaluation),
        versions=version_text(),
        written=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        **context,
    )
    return target


def _images(
    evaluation: Evaluation, counting: Counting, limit: int, track: Track
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Pictures, gallery and items for the scripts, and what the template says about them."""
    images, start = evaluation.images, evaluation.operating.threshold
    matches = match_images(images)
    choices = choose_images(images, matches, start)
    results = [image_result(image) for image in images]
    found = find_items(results, counting.thresholds)
    grid = evaluation.tiles.grid() if evaluation.tiles else None
    if grid is not None:
        found = place_items(found, results, grid)
    items = choose_items(found, limit, lambda item: item.kind == 'missed')
    album = Album(images)
    for choice in choices:
        album.add(choice.index)
    for item in items:
        album.add(item.image, item.box)
    album.embed(track)
    in_gallery = {choice.index for choice in choices}
    # Below the slider's gallery nothing moves, so the boxes that do not count are left out.
    pictures = [
        picture_entry(
            images[index],
            matches[index],
            picture,
            evaluation.min_score if index in in_gallery else counting.lowest,
        )
        for index, picture in album
    ]
    data = {
        'pictures': pictures,
        'crops': album.crops,
        'gallery': [
            {'picture': album.number(choice.index), 'kind': choice.kind} for choice in choices
        ],
        'items': [{**album.place(item.image, item.box), **item.to_dict()} for item in items],
        'itemScores': counting.thresholds,
        'tileRows': tile_rows(found, results, grid) if grid else [],
    }
    context = {
        'gallery': choices,
        'pictures': pictures,
        'unseen': sum(1 for picture in pictures if picture['problem']),
        'items': items,
        'counts': _shares(found, items),
        'counting': counting,
        'tiles': evaluation.tiles,
    }
    return data, context


def _shares(found: Sequence[Item], shown: Sequence[Item]) -> dict[str, tuple[int, int]]:
    """How many missed boxes and wrong detections are shown, and how many there are."""
    shares = {}
    for name, missed in (('missed', True), ('wrong', False)):
        shares[name] = tuple(
            sum((item.kind == 'missed') == missed for item in items) for items in (shown, found)
        )
    return shares  # type: ignore[return-value]
