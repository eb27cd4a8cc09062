"""What a trained model says about the labels of an audited data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmdefect.datasets.audit import Audit
from mmdefect.datasets.audit.table import Track
from mmdefect.engine.predict import TrainedModel
from mmdefect.errors import InputError
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.label_suspects import find_suspects
from mmdefect.structures import Detections

__all__ = ['ask_model']

# Weaker detections say nothing about a label.
_LEAST_SCORE = 0.05


def ask_model(
    audit: Audit, model: TrainedModel, name: str, track: Track | None = None
) -> np.ndarray:
    """Predict all readable images of an audit and add where the model contradicts their labels.

    Classes are matched by name; detections of a class that the data lack are left out. Detections
    scored below 0.05 are too.

    Args:
        audit (Audit): The audit; findings are added to it, and what the model is.
        model (TrainedModel): The model.
        name (str): What to call it.
        track (Callable | None): Shows progress; called with the detections, what is done, and
            their number. Default None.

    Returns:
        np.ndarray: Per class the score from which a detection counted as confident.

    Raises:
        InputError: Model and data have no class in common, or an image cannot be read.

    Example:
        >>> import torch
        >>> from mmdefect.datasets.audit import AuditTable, FindingList, compute_statistics
        >>> table = AuditTable(['train'], ['rust'])
        >>> audit = Audit('x', table, FindingList(), compute_statistics(table), {}, None, True)
        >>> ask_model(audit, TrainedModel(torch.nn.Identity(), [], ['chip']), 'a.pth')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: a.pth: knows the classes chip, but the data have rust; give a \
model of these data
    """
    table = audit.table
    shared = set(model.classes) & set(table.classes)
    if not shared:
        raise InputError(
            f'{name}: knows the classes {", ".join(model.classes)}, but the data have '
            f'{", ".join(table.classes) or "none"}; give a model of these data'
        )
    numbers = np.array(
        [table.classes.index(own) if own in shared else -1 for own in model.classes], np.int64
    )
    images = [image for image in range(len(table)) if image not in audit.unreadable]
    found = model.predict([table.paths[image] for image in images])
    steps = found if track is None else track(found, 'asking the model', len(images))
    results = [
        _result(audit, image, numbers, detections)
        for image, detections in zip(images, steps, strict=True)
    ]
    known = np.array([own in shared for own in table.classes], bool)
    confident = find_suspects(table, images, results, known, audit.found)
    audit.model = {
        'checkpoint': name,
        'left_out': [own for own in model.classes if own not in shared],
        'confident': {
            own: round(float(score), 4)
            for own, score in zip(table.classes, confident, strict=True)
            if own in shared
        },
    }
    return confident


def _result(
    audit: Audit, image: int, numbers: Sequence[int] | np.ndarray, detections: Detections
) -> ImageResult:
    table = audit.table
    rows = table.rows(image)
    width, height = table.sizes[image].tolist()
    labels = np.asarray(numbers)[detections.labels]
    keep = (detections.scores >= _LEAST_SCORE) & (labels >= 0)
    return ImageResult(
        str(table.paths[image]),
        width,
        height,
        table.boxes[rows],
        table.labels[rows],
        # Ignored boxes say where not to look for an unlabelled defect.
        np.zeros(rows.stop - rows.start, bool),
        detections.boxes[keep],
        labels[keep],
        detections.scores[keep],
    )
