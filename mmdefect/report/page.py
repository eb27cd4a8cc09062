"""The report page: numbers, curves and images put into one HTML file."""

from __future__ import annotations

import json
import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import mmdefect
from mmdefect.drawing import class_colours
from mmdefect.errors import InputError
from mmdefect.fileio import write_bytes
from mmdefect.report.evaluation import Evaluation, load_evaluation
from mmdefect.report.gallery import choose_images, gallery_entry
from mmdefect.report.logs import read_logs
from mmdefect.report.matching import ThresholdTable, match_image, threshold_table

__all__ = ['write_report']

_DISTRIBUTIONS = ('torch', 'onedl-mmdetection', 'mmdet', 'onedl-mmengine', 'mmengine')
_SIZE_MARK = '@file-size@'
_LARGEST_CONFIG = 500_000


def write_report(work_dir: Path, out: Path | None = None) -> Path:
    """Write one self-contained HTML file about the latest evaluation in a work directory.

    The page needs no other file and no network. What is missing (training logs, image files) is
    said in the page.

    Args:
        work_dir (Path): Folder with ``evaluation.json``; training logs, ``summary.json`` and the
            config are shown where they exist.
        out (Path | None): Target file. Default None: ``work_dir/report.html``.

    Returns:
        Path: The file written.

    Raises:
        InputError: There is no usable ``evaluation.json``, or the target cannot be written.

    Example:
        >>> import tempfile
        >>> work_dir = Path(tempfile.mkdtemp())
        >>> _ = (work_dir / 'evaluation.json').write_text(json.dumps(dict(
        ...     format='mmdefect-evaluation/1', classes=['scratch'], max_dets=100, metrics={},
        ...     per_class=[], images_total=0, images_good=0, pr_curves=[], images=[])))
        >>> write_report(work_dir).name
        'report.html'
    """
    work_dir = Path(work_dir)
    target = Path(out) if out is not None else work_dir / 'report.html'
    evaluation = load_evaluation(work_dir)
    if target.is_dir():
        raise InputError(f'{target}: is a folder; name a file such as {target / "report.html"}')
    log = read_logs(work_dir)
    matches = [match_image(image) for image in evaluation.images]
    table = threshold_table(
        evaluation.images, matches, len(evaluation.classes), evaluation.min_score
    )
    chosen = choose_images(evaluation.images, matches, table.start)
    gallery = [
        gallery_entry(
            evaluation.images[choice.index], matches[choice.index], choice, evaluation.min_score
        )
        for choice in chosen
    ]
    colours = class_colours(len(evaluation.classes))
    data = {
        'classes': evaluation.classes,
        'colours': colours,
        'series': class_colours(8),
        'pr': [curve.model_dump() for curve in evaluation.pr_curves],
        'log': {'train': log.train, 'val': log.val, 'valUnit': log.val_unit},
        'table': _table_data(table),
        'gallery': gallery,
    }
    summary, summary_problem = _summary(work_dir)
    environment = Environment(
        loader=PackageLoader('mmdefect.report', 'templates'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['number'] = _number
    page = environment.get_template('report.html').render(
        title=evaluation.config or work_dir.resolve().name,
        evaluation=evaluation,
        epochs=evaluation.epoch if evaluation.epoch is not None else log.epochs,
        rows=_class_rows(evaluation, colours),
        log=log,
        table=table,
        gallery=gallery,
        summary=summary,
        summary_problem=summary_problem,
        config=_config(work_dir, evaluation),
        created=_created(evaluation.created),
        unseen=sum(1 for entry in gallery if entry['problem']),
        versions=_versions(),
        written=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        data=_script_json(data),
        css=_asset(environment, 'report.css'),
        scripts=[_asset(environment, name) for name in ('charts.js', 'gallery.js')],
        size_mark=_SIZE_MARK,
    )
    code = page.encode('utf-8', errors='replace')
    size = f'{len(code) / 1e6:.2f} MB'
    write_bytes(target, code.replace(_SIZE_MARK.encode(), size.encode(), 1))
    return target


def _asset(environment: Environment, name: str) -> Markup:
    """Our own CSS or script, put in as it is."""
    source = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
    return Markup(source)


def _script_json(value: Any) -> Markup:
    """JSON that can stand inside a script element: no character that could end it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(',', ':'))
    for character in '<>&':
        text = text.replace(character, f'\\u{ord(character):04x}')
    return Markup(text)


def _number(value: float | None, digits: int = 3) -> str:
    return '–' if value is None else f'{value:.{digits}f}'


def _table_data(table: ThresholdTable) -> dict[str, Any]:
    interval = table.youden_interval()
    return {
        'truth': table.truth.tolist(),
        'found': table.found.tolist(),
        'false': table.false.tolist(),
        'imagesDefect': table.images_defect,
        'imagesGood': table.images_good,
        'flaggedDefect': table.flagged_defect.tolist(),
        'flaggedGood': table.flagged_good.tolist(),
        'youden': None if interval is None else [ends.round(4).tolist() for ends in interval],
        'start': table.start,
    }


def _class_rows(evaluation: Evaluation, colours: list[str]) -> list[dict[str, Any]]:
    """Per-class results, weakest AP50 first, classes without a value last."""
    colour_of = dict(zip(evaluation.classes, colours, strict=True))
    rows = [
        {**row.model_dump(), 'colour': colour_of.get(row.name, '#888888'), 'weakest': False}
        for row in evaluation.per_class
    ]
    rows.sort(key=lambda row: (row['AP50'] is None, row['AP50'] or 0.0, row['name']))
    if len(rows) > 1 and rows[1]['AP50'] is not None:
        rows[0]['weakest'] = True
    return rows


def _created(text: str | None) -> str | None:
    """The ISO time to the minute, or the text as it is."""
    try:
        return datetime.fromisoformat(text).strftime('%Y-%m-%d %H:%M %Z').strip() if text else None
    except ValueError:
        return text


def _summary(work_dir: Path) -> tuple[list[tuple[str, str]], str | None]:
    """Rows (key, value) of ``summary.json``, nested keys joined by a dot."""
    path = work_dir / 'summary.json'
    if not path.is_file():
        return [], None
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        return [], f'summary.json cannot be read ({error})'
    rows: list[tuple[str, str]] = []

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                walk(f'{prefix}.{key}' if prefix else str(key), child)
        else:
            text = f'{node:.4g}' if isinstance(node, float) else str(node)
            rows.append((prefix or 'value', text))

    walk('', value)
    return rows, None


def _config(work_dir: Path, evaluation: Evaluation) -> tuple[str, str] | None:
    """Name and text of the config dump, when it is clear which file that is."""
    named = work_dir / f'{Path(evaluation.config).stem}.py' if evaluation.config else None
    paths = [named] if named and named.is_file() else sorted(work_dir.glob('*.py'))
    if len(paths) != 1 or paths[0].stat().st_size > _LARGEST_CONFIG:
        return None
    return paths[0].name, paths[0].read_text(encoding='utf-8', errors='replace')


def _versions() -> str:
    parts = [f'mmdefect {mmdefect.__version__}', f'Python {platform.python_version()}']
    for name in _DISTRIBUTIONS:
        try:
            parts.append(f'{name} {metadata.version(name)}')
        except metadata.PackageNotFoundError:
            continue
    return ', '.join(parts)
