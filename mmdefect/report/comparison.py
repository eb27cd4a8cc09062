"""What two evaluations have in common, and which boxes only one of them finds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmdefect.errors import InputError
from mmdefect.evaluation.evidence import make_evidence
from mmdefect.evaluation.image_errors import ImageErrors
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.score_table import SCORE_DECIMALS, reaches
from mmdefect.report.evaluation import EvaluatedImage, Evaluation
from mmdefect.report.results import image_result

__all__ = ['OneSided', 'common_part', 'found_by_one']

Box = tuple[float, float, float, float]


def common_part(
    first: Evaluation, second: Evaluation, names: tuple[str, str]
) -> tuple[Evaluation, Evaluation, list[str]]:
    """Bring two evaluations to the same classes and the same images, in the order of the first.

    Images are the same when their paths are; where no path is in both, as after a move, when
    their file names are, as long as these are unique. Where something has to be left out, or one
    run counts fewer detections per image, all numbers are computed anew from the boxes in the
    files, for both with the lower limit of detections.

    Args:
        first (Evaluation): One evaluation.
        second (Evaluation): The other.
        names (tuple[str, str]): What to call them in messages.

    Returns:
        tuple[Evaluation, Evaluation, list[str]]: Both, reduced to what they share, and in words
        what differs; nothing when they are of the same classes, images and limit.

    Raises:
        InputError: They share no class or no image.

    Example:
        >>> one = Evaluation.model_construct(classes=['rust'], images=[], images_total=0)
        >>> two = Evaluation.model_construct(classes=['dent'], images=[], images_total=0)
        >>> common_part(one, two, ('a', 'b'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: a and b have no class in common (rust; dent); compare runs \
on the same classes
    """
    classes = [name for name in first.classes if name in second.classes]
    if not classes:
        raise InputError(
            f'{names[0]} and {names[1]} have no class in common ({", ".join(first.classes)}; '
            f'{", ".join(second.classes)}); compare runs on the same classes'
        )
    pairs = _same_images(first.images, second.images)
    if not pairs:
        raise InputError(
            f'{names[0]} and {names[1]} have no image in common; evaluate both on the same images'
        )
    notes = []
    only = [[name for name in run.classes if name not in classes] for run in (first, second)]
    for letter, missing in zip('AB', only, strict=True):
        if missing:
            notes.append(f'Only {letter} has the class {", ".join(missing)}: left out')
    if not any(only) and first.classes != second.classes:
        notes.append('The classes of B stand in another order: sorted as in A')
    if not len(pairs) == first.images_total == second.images_total:
        notes.append(
            f'A was evaluated on {first.images_total} images, B on {second.images_total}: '
            f'compared are the {len(pairs)} listed for both'
        )
    max_dets = min(first.max_dets, second.max_dets)
    if first.max_dets != second.max_dets:
        notes.append(
            f'A counts {first.max_dets} detections per image and class, B {second.max_dets}: '
            f'compared with {max_dets}'
        )
    runs = []
    for run, places in zip((first, second), zip(*pairs, strict=True), strict=True):
        images = [run.images[place] for place in places]
        runs.append(
            _computed_anew(run, images, classes, max_dets)
            if notes
            else run.model_copy(update={'images': images})
        )
    if notes:
        lowest = max(first.min_score, second.min_score)
        lost = '; those per part are left out' if first.parts or second.parts else ''
        notes.append(
            f'All numbers are computed anew from the boxes with scores from {lowest:g} on{lost}'
        )
    return runs[0], runs[1], notes


def _computed_anew(
    run: Evaluation, images: Sequence[EvaluatedImage], classes: list[str], max_dets: int
) -> Evaluation:
    places = np.array([classes.index(name) if name in classes else -1 for name in run.classes])
    results = [_of_classes(image_result(image), places) for image in images]
    evidence = make_evidence(results, classes, max_dets, evidence_images=len(results))
    about = run.model_dump(include={'created', 'epoch', 'checkpoint', 'config'})
    return Evaluation.model_validate({**evidence, **about})


def _of_classes(image: ImageResult, places: np.ndarray) -> ImageResult:
    """Only boxes of classes that have a place, with the place as their label."""
    truth, found = places[image.gt_labels], places[image.labels]
    return replace(
        image,
        gt_boxes=image.gt_boxes[truth >= 0],
        gt_labels=truth[truth >= 0],
        gt_ignored=image.gt_ignored[truth >= 0],
        boxes=image.boxes[found >= 0],
        labels=found[found >= 0],
        scores=image.scores[found >= 0],
    )


def _same_images(
    first: Sequence[EvaluatedImage], second: Sequence[EvaluatedImage]
) -> list[tuple[int, int]]:
    for name_of in (_path, _file_name):
        places = _unique(second, name_of)
        own = _unique(first, name_of)
        pairs = [(index, places[name]) for name, index in own.items() if name in places]
        if pairs:
            return sorted(pairs)
    return []


def _path(image: EvaluatedImage) -> str:
    return image.path.replace('\\', '/')


def _file_name(image: EvaluatedImage) -> str:
    return _path(image).rsplit('/', 1)[-1]


def _unique(
    images: Sequence[EvaluatedImage], name_of: Callable[[EvaluatedImage], str]
) -> dict[str, int]:
    places = defaultdict(list)
    for index, image in enumerate(images):
        places[name_of(image)].append(index)
    return {name: found[0] for name, found in places.items() if len(found) == 1}


@dataclass(frozen=True, slots=True)
class OneSided:
    """One box that one run finds and the other misses.

    Args:
        image (int): Position in the common images, from 0.
        finder (int): 0 when the first run finds it, 1 when the second does.
        label (int): Class index.
        box (Box): ``(x1, y1, x2, y2)`` in pixels.
        score (float): Score with which it is found.
        loser_score (float | None): Lower score from which the other run finds it; None when it
            does at none.

    Example:
        >>> OneSided(0, 1, 0, (0, 0, 4, 4), 0.9, None).finder
        1
    """

    image: int
    finder: int
    label: int
    box: Box
    score: float
    loser_score: float | None


def found_by_one(
    images: tuple[Sequence[EvaluatedImage], Sequence[EvaluatedImage]],
    errors: tuple[Sequence[ImageErrors], Sequence[ImageErrors]],
    thresholds: tuple[float, float],
) -> tuple[list[OneSided], int]:
    """List the boxes that only one of two runs finds, each run at its own threshold.

    Args:
        images (tuple[Sequence[EvaluatedImage], Sequence[EvaluatedImage]]): The same images as
            both runs have evaluated them, same class indices.
        errors (tuple[Sequence[ImageErrors], Sequence[ImageErrors]]): What ``describe_errors``
            gave for them.
        thresholds (tuple[float, float]): Score from which detections of each run count.

    Returns:
        tuple[list[OneSided], int]: The boxes, those found with the highest score first; and how
        many ground-truth boxes stand in one run only, which are left out.

    Example:
        >>> found_by_one(([], []), ([], []), (0.5, 0.5))
        ([], 0)
    """
    items, unequal = [], 0
    for index, (image, described) in enumerate(
        zip(zip(*images, strict=True), zip(*errors, strict=True), strict=True)
    ):
        sides = [_finding_scores(*side) for side in zip(image, described, strict=True)]
        for key in sides[0].keys() | sides[1].keys():
            scores = [side.get(key, []) for side in sides]
            unequal += abs(len(scores[0]) - len(scores[1]))
            for both in zip(*scores, strict=False):
                counts = [
                    score is not None and bool(reaches(score, threshold))
                    for score, threshold in zip(both, thresholds, strict=True)
                ]
                if counts[0] != counts[1]:
                    finder = counts.index(True)
                    items.append(OneSided(index, finder, *key, both[finder], both[1 - finder]))
    items.sort(key=lambda item: (-item.score, item.image, item.label, item.box))
    return items, unequal


def _finding_scores(
    image: EvaluatedImage, errors: ImageErrors
) -> dict[tuple[int, Box], list[float | None]]:
    """Per class and box that counts the scores it is found with, None for not at all."""
    hits = {
        int(truth): round(float(row[5]), SCORE_DECIMALS)
        for truth, row in zip(errors.matches, image.detections, strict=True)
        if truth >= 0
    }
    scores: dict[tuple[int, Box], list[float | None]] = defaultdict(list)
    for index, (x1, y1, x2, y2, label, ignored) in enumerate(image.ground_truth):
        if not ignored:
            box = (round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1))
            scores[label, box].append(hits.get(index))
    return scores
