"""What the charts of a page draw of one run."""

from __future__ import annotations

from typing import Any

from mmdefect.report.evaluation import Evaluation
from mmdefect.report.logs import TrainingLog

__all__ = ['SERIES_COLOURS', 'error_rows', 'run_data']

# Colours that charts use for something else than classes.
SERIES_COLOURS = 12
# In the order of the page: name in evaluation.json, title, meaning.
_ERRORS = (
    ('missed', 'Nothing on it', 'A defect that no detection finds, not even one in error.'),
    ('localisation', 'Badly placed', 'Right class, but an overlap of IoU 0.1 to 0.5 only.'),
    ('classification', 'Wrong class', 'Well placed, on a defect of another class.'),
    ('both', 'Wrong class, badly placed', 'On a defect of another class, IoU 0.1 to 0.5.'),
    ('duplicate', 'Second box', 'On a defect that a better-scored detection found.'),
    ('background', 'Nothing there', 'A detection where no defect is near.'),
)


def run_data(evaluation: Evaluation, log: TrainingLog) -> dict[str, Any]:
    """Collect curves and counts of one run.

    Args:
        evaluation (Evaluation): Its evaluation.
        log (TrainingLog): Its training log.

    Returns:
        dict[str, Any]: JSON-ready.

    Example:
        >>> from mmdefect.evaluation.evidence import make_evidence
        >>> data = run_data(Evaluation(**make_evidence([], ['rust'], 100)), TrainingLog())
        >>> data['table']['start'], data['sizes'][0]['name']
        (0.5, 'below 8 px')
    """
    counts = evaluation.score_table
    interval = counts.table().youden_interval()
    return {
        'pr': [curve.model_dump() for curve in evaluation.pr_curves],
        'log': {
            'train': log.train,
            'pseudo': log.pseudo,
            'val': log.val,
            'student': log.student,
            'perClass': log.per_class,
            'valUnit': log.val_unit,
        },
        'table': {
            'truth': counts.truth,
            'found': counts.found,
            'false': counts.false,
            'imagesDefect': counts.images_defect,
            'imagesGood': counts.images_good,
            'flaggedDefect': counts.flagged_defect,
            'flaggedGood': counts.flagged_good,
            'falseOnGood': counts.false_on_good,
            'youden': None if interval is None else [ends.round(4).tolist() for ends in interval],
            'lowest': counts.lowest,
            'start': evaluation.operating.threshold,
        },
        'histogram': {
            'edges': evaluation.iou_histogram.edges,
            'counts': evaluation.iou_histogram.counts,
        },
        'sizes': _size_rows(evaluation),
        'errors': [
            {'title': title, 'counts': evaluation.error_types[name].counts}
            for name, title, _ in _ERRORS
        ],
        'confusion': evaluation.confusion,
    }


def _size_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Boxes and boxes found over all classes, from the smallest to the largest size that occurs."""
    sizes = evaluation.recall_by_size
    edges = [None if edge is None else f'{edge:g}' for edge in sizes.edges]
    rows = []
    for at, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
        name = f'below {high} px' if at == 0 else f'{low} to {high} px'
        rows.append(
            {
                'name': name if high is not None else f'{low} px and more',
                'truth': sum(row[at] for row in sizes.boxes),
                'found': sum(row[at] for row in sizes.found),
            }
        )
    return rows


def error_rows(*evaluations: Evaluation) -> list[dict[str, Any]]:
    """Count the errors of each type and say what they cost.

    Args:
        *evaluations (Evaluation): One or two evaluations of the same classes.

    Returns:
        list[dict[str, Any]]: Per type ``title``, ``meaning``, ``counts`` of the first evaluation
        per class and, for each, ``gains``: the AP50 that would be gained without it, None where
        that is not defined.

    Example:
        >>> from mmdefect.evaluation.evidence import make_evidence
        >>> rows = error_rows(Evaluation(**make_evidence([], ['rust'], 100)))
        >>> rows[1]['title'], rows[1]['counts'], rows[1]['gains']
        ('Badly placed', [0], [None])
    """
    return [
        {
            'title': title,
            'meaning': meaning,
            'counts': evaluations[0].error_types[name].counts,
            'gains': [evaluation.error_types[name].dAP50 for evaluation in evaluations],
        }
        for name, title, meaning in _ERRORS
    ]
