"""Thresholds for all classes of a model, and what they do to whole parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.decision.not_certified_error import NotCertifiedError
from mmdefect.decision.operating_point import OperatingPoint, count_flagged
from mmdefect.decision.part_scores import PartScores
from mmdefect.decision.reaches import reaches
from mmdefect.decision.threshold_choice import ThresholdChoice, choose_threshold
from mmdefect.decision.threshold_goal import ThresholdGoal
from mmdefect.errors import InputError

__all__ = ['PartThresholds', 'choose_part_thresholds']


@dataclass(frozen=True, slots=True, eq=False)
class PartThresholds:
    """Thresholds of C classes; made by :func:`choose_part_thresholds`.

    Args:
        classes (tuple[str, ...]): Class names.
        choices (tuple[ThresholdChoice, ...]): What is certified: one for parts with a defect of
            any class, or one per class.
        hold (tuple[float, ...]): C thresholds; a part with a score >= one of them does not pass.
        fail (tuple[float | None, ...]): C thresholds, none below ``hold``; a part with a score >=
            one of them fails. None where no score is sure enough.
        part (OperatingPoint): Parts that do not pass, against parts with a defect of any class.
        by_class (tuple[OperatingPoint, ...]): C points: parts whose score for the class reaches
            ``hold``, against parts that show the class; the others are good or have another
            defect.
        failed (OperatingPoint): Parts that fail, against parts with a defect of any class.

    Example:
        >>> len(PartThresholds.__dataclass_fields__)
        7
    """

    classes: tuple[str, ...]
    choices: tuple[ThresholdChoice, ...]
    hold: tuple[float, ...]
    fail: tuple[float | None, ...]
    part: OperatingPoint
    by_class: tuple[OperatingPoint, ...]
    failed: OperatingPoint

    @property
    def per_class(self) -> bool:
        """Whether each class has a certificate of its own."""
        return len(self.choices) == len(self.classes) > 1

    def columns(
        self, parts: PartScores
    ) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]:
        """Scores and labels that each certificate rests on.

        Args:
            parts (PartScores): The calibration parts.

        Returns:
            list[tuple[np.ndarray, np.ndarray]]: One pair per certificate, float64 and bool, shape
            (P,).
        """
        if self.per_class:
            return list(zip(parts.scores.T, parts.truth.T, strict=True))
        return [(parts.part_scores, parts.defective)]

    @property
    def joint_confidence(self) -> float:
        """Least probability that all promises hold together (Bonferroni)."""
        return max(0.0, 1 - sum(1 - choice.goal.confidence for choice in self.choices))

    @property
    def no_better_than_flagging_all(self) -> bool | None:
        """Of the part decision, as of :class:`OperatingPoint`."""
        flags_all = any(choice.flags_all for choice in self.choices)
        return True if flags_all else self.part.no_better_than_flagging_all


def choose_part_thresholds(
    parts: PartScores,
    goal: ThresholdGoal,
    per_class: bool = False,
    fail_precision: float | None = None,
) -> PartThresholds:
    """Choose the thresholds of all classes.

    With one certificate the score of a part is the highest of all classes, all share the
    threshold, and the promise is about parts with a defect of any class. With ``per_class`` each
    class is certified one against rest on the parts that show it; every promise then holds with
    the confidence asked for, all together with :attr:`PartThresholds.joint_confidence`.

    Args:
        parts (PartScores): Labelled parts.
        goal (ThresholdGoal): What to promise.
        per_class (bool): One certificate per class. Default False.
        fail_precision (float | None): Precision, above 0, at most 1, that parts must have to
            fail without a person looking; parts between the two thresholds are on hold. It is
            seen on these parts, not certified. Default None: whatever does not pass fails.

    Returns:
        PartThresholds: Thresholds, certificates and counts.

    Raises:
        NotCertifiedError: The evidence does not carry the promise.
        InputError: There is no labelled part, or none has as many images as the pooling asks for.
        ValueError: ``fail_precision`` is out of its range.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from mmdefect.decision import (ImageScores, ResultsFile, ResultsHeader, collect_parts,
        ...                                write_results)
        >>> path = Path(tempfile.mkdtemp()) / 'results.jsonl'
        >>> images = (ImageScores(image=f'{i}.png', sha256=f'{i:064x}', truth=['rust'],
        ...                       scores={'rust': 0.5 + i / 200}) for i in range(60))
        >>> write_results(path, ResultsHeader(model='0' * 64, classes=['rust']), images)
        60
        >>> choose_part_thresholds(collect_parts(ResultsFile(path)), ThresholdGoal()).hold
        (0.5,)
    """
    if fail_precision is not None and not 0 < fail_precision <= 1:
        raise ValueError(f'fail_precision must be above 0 and at most 1, got {fail_precision}')
    _check_parts(parts)
    classes = parts.header.classes
    if per_class:
        columns = [
            (
                f'class {name!r} against all other parts: ',
                parts.scores[:, index],
                parts.truth[:, index],
            )
            for index, name in enumerate(classes)
        ]
    else:
        columns = [('', parts.part_scores, parts.defective)]
    choices, fails = [], []
    for prefix, scores, truth in columns:
        try:
            choice = _choose(parts, goal, scores, truth)
            fail = _fail_from(choice, scores, truth, fail_precision)
        except NotCertifiedError as error:
            raise NotCertifiedError(f'{prefix}{error}', error.largest_recall) from error
        choices.append(choice)
        fails.append(fail)
    repeat = 1 if per_class else len(classes)
    hold = tuple(choice.threshold for choice in choices) * repeat
    beta = goal.beta or 2.0
    over = reaches(parts.scores, np.array(hold))
    # A threshold that no score reaches stands for None.
    sure = reaches(parts.scores, np.array([np.inf if x is None else x for x in fails * repeat]))
    return PartThresholds(
        classes=classes,
        choices=tuple(choices),
        hold=hold,
        fail=tuple(fails) * repeat,
        part=count_flagged(np.any(over, axis=1), parts.defective, beta),
        by_class=tuple(
            count_flagged(over[:, index], parts.truth[:, index], beta)
            for index in range(len(classes))
        ),
        failed=count_flagged(np.any(sure, axis=1), parts.defective, beta),
    )


def _check_parts(parts: PartScores) -> None:
    """Refuse parts that all score 0, or no parts: nothing can be chosen on them."""
    if not parts.names:
        left = f'; left out, not labelled: {parts.left_out}' if parts.left_out else ''
        raise InputError(f'there is no labelled part{left}; give images with the key "truth"')
    most = max(map(len, parts.image_hashes))
    if most < parts.pooling.n:
        raise InputError(
            f'a defect shall be seen in {parts.pooling.n} images of a part, and no part has more '
            f'than {most}, so that all would pass; ask for {most} or fewer'
        )


def _choose(
    parts: PartScores,
    goal: ThresholdGoal,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
) -> ThresholdChoice:
    return choose_threshold(
        scores,
        truth,
        goal.target_recall,
        goal.confidence,
        max_false_alarms=goal.max_false_alarms,
        beta=goal.beta,
        cost_miss=goal.cost_miss,
        cost_alarm=goal.cost_alarm,
        prevalence=goal.prevalence,
        part_ids=parts.part_ids,
        image_hashes=parts.image_hashes,
        training=parts.header.training,
    )


def _fail_from(
    choice: ThresholdChoice,
    scores: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    precision: float | None,
) -> float | None:
    """Lowest threshold, from the chosen one on, whose flagged parts are defective often enough."""
    if precision is None:
        return choice.threshold
    if truth.all():
        raise NotCertifiedError(
            'there is no good part to tell sure defects from doubtful ones; add good parts, or '
            'leave out the precision of FAIL'
        )
    share = choice.goal.prevalence or truth.mean()
    candidates = np.unique(scores[scores >= choice.threshold])
    found = 1 - np.searchsorted(np.sort(scores[truth]), candidates) / truth.sum()
    alarms = 1 - np.searchsorted(np.sort(scores[~truth]), candidates) / (~truth).sum()
    weighted = share * found
    sure = weighted >= precision * (weighted + (1 - share) * alarms) * (1 - 1e-12)
    return float(candidates[sure.argmax()]) if sure.any() else None
