"""From which score on a detection counts in a report, and who says so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mmdefect.decision import ThresholdPolicy
from mmdefect.errors import InputError
from mmdefect.evaluation.score_table import SCORE_DECIMALS
from mmdefect.report.evaluation import Evaluation

__all__ = ['Counting', 'counting_from']


@dataclass(frozen=True, slots=True)
class Counting:
    """Score thresholds in force; made by :func:`counting_from`.

    Args:
        thresholds (tuple[float, ...]): One per class, 0 to 1; a score >= it counts.
        source (str): Who says so, for people.

    Example:
        >>> Counting((0.5, 0.5), 'the highest F1').lowest
        0.5
    """

    thresholds: tuple[float, ...]
    source: str

    @property
    def lowest(self) -> float:
        """The lowest of them; 0 without classes."""
        return min(self.thresholds, default=0.0)

    @property
    def same(self) -> bool:
        """Whether all classes have one threshold."""
        return len(set(self.thresholds)) <= 1


def counting_from(
    evaluation: Evaluation,
    work_dir: Path,
    policy: Path | None = None,
    threshold: float | None = None,
) -> Counting:
    """Find out from which score on detections count.

    Args:
        evaluation (Evaluation): What is reported.
        work_dir (Path): Its folder; a checkpoint there must be the one of the policy.
        policy (Path | None): Policy file whose ``hold`` thresholds are in force. Default None.
        threshold (float | None): One threshold for all classes, 0 to 1. Default None: that of the
            policy, without one the threshold of the highest F1.

    Returns:
        Counting: The thresholds.

    Raises:
        InputError: Both are given, the threshold is out of its range, or the policy cannot be
            read, lacks a class, or belongs to another model.

    Example:
        >>> from mmdefect.evaluation.evidence import make_evidence
        >>> evaluation = Evaluation(**make_evidence([], ['rust'], max_dets=100))
        >>> counting_from(evaluation, Path('.'), threshold=0.3)
        Counting(thresholds=(0.3,), source='as given')
    """
    count = len(evaluation.classes)
    if policy is not None and threshold is not None:
        raise InputError('--policy and --threshold: give one of them')
    if threshold is not None:
        if not evaluation.min_score <= threshold <= 1:
            raise InputError(
                f'--threshold must be from {evaluation.min_score:g}, the lowest score that '
                f'evaluation.json lists, to 1, got {threshold:g}'
            )
        return Counting((threshold,) * count, 'as given')
    if policy is None:
        return Counting((evaluation.operating.threshold,) * count, 'the highest F1')
    rules = ThresholdPolicy.load(policy, _checkpoint_hash(evaluation, work_dir))
    lacking = [name for name in evaluation.classes if name not in rules.thresholds]
    if lacking:
        raise InputError(
            f'{policy}: no threshold for class {lacking[0]!r}, known: '
            f'{", ".join(rules.classes)}; give the policy of this model'
        )
    # As the scores in evaluation.json are, so that one on a threshold still counts.
    return Counting(
        tuple(round(rules.thresholds[name].hold, SCORE_DECIMALS) for name in evaluation.classes),
        f'the policy {policy.name}',
    )


def _checkpoint_hash(evaluation: Evaluation, work_dir: Path) -> str | None:
    """Of the checkpoint, where it still lies beside its evaluation."""
    path = work_dir / (evaluation.checkpoint or '')
    if not path.is_file():
        return None
    with path.open('rb') as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
