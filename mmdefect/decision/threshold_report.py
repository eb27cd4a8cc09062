"""All that `mmdefect thresholds` says: thresholds, proof, curves and stability."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmdefect.decision.line_point import LinePoint, line_point
from mmdefect.decision.operating_curve import OperatingCurve, operating_curve
from mmdefect.decision.operating_point import OperatingPoint
from mmdefect.decision.part_scores import PartScores
from mmdefect.decision.part_thresholds import PartThresholds, choose_part_thresholds
from mmdefect.decision.policy import ThresholdPolicy
from mmdefect.decision.reliability import ReliabilityTable, reliability_table
from mmdefect.decision.stability import ThresholdStability, threshold_stability
from mmdefect.decision.threshold_goal import ThresholdGoal

__all__ = ['ThresholdReport', 'report_thresholds']


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdReport:
    """Thresholds and what is known about them; made by :func:`report_thresholds`.

    Args:
        parts (PartScores): Calibration parts.
        chosen (PartThresholds): Thresholds with certificates and counts.
        curves (tuple[OperatingCurve, ...]): What other thresholds would do, one per certificate.
        stability (tuple[ThresholdStability, ...]): Spread of the threshold, likewise.
        on_the_line (tuple[LinePoint, ...]): What they mean at the prevalence asked for, likewise.
        reliability (tuple[ReliabilityTable, ...]): Whether scores are probabilities, likewise.
        policy (ThresholdPolicy): The thresholds as a file holds them.

    Example:
        >>> len(ThresholdReport.__dataclass_fields__)
        7
    """

    parts: PartScores
    chosen: PartThresholds
    curves: tuple[OperatingCurve, ...]
    stability: tuple[ThresholdStability, ...]
    on_the_line: tuple[LinePoint, ...]
    reliability: tuple[ReliabilityTable, ...]
    policy: ThresholdPolicy

    def to_dict(self) -> dict[str, Any]:
        """The report as ``--json`` prints it.

        Returns:
            dict[str, Any]: JSON-ready, None where a number is not defined.
        """
        chosen = self.chosen
        return _plain(
            {
                'certified': True,
                'no_better_than_flagging_all': chosen.no_better_than_flagging_all,
                'parts': len(self.parts.names),
                'images': self.parts.images,
                'left_out': self.parts.left_out,
                'too_few_images': self.parts.too_small,
                'part': _point(chosen.part),
                'failed': _point(chosen.failed),
                'classes': [
                    {'name': name, 'hold': hold, 'fail': fail, **_point(point)}
                    for name, hold, fail, point in zip(
                        chosen.classes, chosen.hold, chosen.fail, chosen.by_class, strict=True
                    )
                ],
                'certificates': [
                    {
                        **certificate.model_dump(mode='json'),
                        'threshold': choice.threshold,
                        'on_the_line': dataclasses.asdict(there),
                        'stability': dataclasses.asdict(stability),
                        'curve': dataclasses.asdict(curve),
                        'reliability': dataclasses.asdict(reliability),
                    }
                    for certificate, choice, there, stability, curve, reliability in zip(
                        self.policy.evidence.certificates,
                        chosen.choices,
                        self.on_the_line,
                        self.stability,
                        self.curves,
                        self.reliability,
                        strict=True,
                    )
                ],
                'joint_confidence': chosen.joint_confidence,
                'overlap_with_training': chosen.choices[0].overlap,
                'policy': self.policy.model_dump(mode='json'),
            }
        )


def report_thresholds(
    parts: PartScores,
    goal: ThresholdGoal,
    *,
    per_class: bool = False,
    fail_precision: float | None = None,
    rounds: int = 200,
    seed: int = 0,
) -> ThresholdReport:
    """Choose thresholds and look at them from all sides.

    Args:
        parts (PartScores): Labelled parts.
        goal (ThresholdGoal): What to promise.
        per_class (bool): One certificate per class. Default False.
        fail_precision (float | None): Precision that parts must have to fail. Default None.
        rounds (int): Redraws for the stability, at least 1. Default 200.
        seed (int): Seed of the draws. Default 0.

    Returns:
        ThresholdReport: Thresholds, proof, curves, stability and policy.

    Raises:
        NotCertifiedError: The evidence does not carry the promise.
        InputError: There is no labelled part, or none has as many images as the pooling asks for.
        ValueError: An argument is out of its range.
    """
    chosen = choose_part_thresholds(parts, goal, per_class, fail_precision)
    columns = chosen.columns(parts)
    beta = goal.beta or 2.0
    return ThresholdReport(
        parts=parts,
        chosen=chosen,
        curves=tuple(operating_curve(scores, truth, beta=beta) for scores, truth in columns),
        stability=tuple(
            threshold_stability(scores, truth, goal, rounds, seed) for scores, truth in columns
        ),
        on_the_line=tuple(
            line_point(choice.point, goal.prevalence, goal.cost_miss, goal.cost_alarm)
            for choice in chosen.choices
        ),
        reliability=tuple(reliability_table(scores, truth) for scores, truth in columns),
        policy=ThresholdPolicy.from_thresholds(parts, chosen),
    )


def _point(point: OperatingPoint) -> dict[str, Any]:
    return dataclasses.asdict(point)


def _plain(value: Any) -> Any:
    """Arrays as lists, and None for what is not finite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
