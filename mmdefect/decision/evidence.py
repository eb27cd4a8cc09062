"""What a policy rests on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from mmdefect.decision.operating_point import OperatingPoint, operating_point
from mmdefect.decision.part_scores import PartScores
from mmdefect.decision.part_thresholds import PartThresholds

__all__ = ['Certificate', 'Costs', 'Counts', 'Evidence', 'collect_evidence']

_Count = Annotated[int, Field(ge=0)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True, strict=True)


class Costs(_Record):
    """What wrong decisions cost, in any unit.

    Args:
        miss (float): A defective part that passes.
        alarm (float): A good part that is flagged.

    Example:
        >>> Costs(miss=50, alarm=1).miss
        50.0
    """

    miss: Annotated[FiniteFloat, Field(ge=0, strict=False)]
    alarm: Annotated[FiniteFloat, Field(ge=0, strict=False)]


class Counts(_Record):
    """Parts by truth and decision.

    Args:
        tp (int): Defective parts that are flagged.
        fn (int): Defective parts that are missed.
        fp (int): Good parts that are flagged.
        tn (int): Good parts that pass.

    Example:
        >>> Counts(tp=9, fn=1, fp=2, tn=8).point().recall
        0.9
    """

    tp: _Count
    fn: _Count
    fp: _Count
    tn: _Count

    @classmethod
    def of(cls, point: OperatingPoint) -> Counts:
        """Keep the counts of an operating point.

        Args:
            point (OperatingPoint): The point.

        Returns:
            Counts: Its counts.
        """
        return cls(tp=point.tp, fn=point.fn, fp=point.fp, tn=point.tn)

    def point(self, beta: float = 2.0) -> OperatingPoint:
        """What follows from the counts.

        Args:
            beta (float): Weight of recall in F-beta. Default 2.

        Returns:
            OperatingPoint: Shares, their intervals and the flag.
        """
        return operating_point(self.tp, self.fn, self.fp, self.tn, beta)


class Certificate(_Record):
    """What is proved about the recall of parts.

    Args:
        class_name (str | None): Class that it is about; None for defects of any class.
        target_recall (float): Recall that was asked for.
        confidence (float): Least probability that all bounds of this certificate hold.
        method (str): How the threshold was found.
        n_defective (int): Defective parts that it rests on.
        n_good (int): Good parts; of a class, parts without it, good or with another defect.
        allowed_misses (int): Misses that the rule allowed, fixed beforehand.
        recall_lower (float): Lower bound of the recall.
        false_alarms_upper (float | None): Upper bound of the false alarms per 1,000 of these,
            where there is one.

    Example:
        >>> sorted(Certificate.model_fields)[:2]
        ['allowed_misses', 'class_name']
    """

    class_name: str | None
    target_recall: _Share
    confidence: _Share
    method: str
    n_defective: _Count
    n_good: _Count
    allowed_misses: _Count
    recall_lower: _Share
    false_alarms_upper: Annotated[FiniteFloat, Field(ge=0, le=1000)] | None


class Evidence(_Record):
    """Counts, bounds and where they come from.

    Args:
        date (str): When the thresholds were chosen, ISO 8601.
        created_by (str): Program and version.
        parts (int): Calibration parts.
        images (int): Their images.
        overlap_with_training (str): ``none``, or ``unknown`` without a training manifest.
        certificates (tuple[Certificate, ...]): One for any class, or one per class.
        joint_confidence (float): Least probability that all certificates hold together.
        part (Counts): Parts that do not pass, against parts with a defect, in-sample.
        failed (Counts): Parts that fail, likewise.
        by_class (dict[str, Counts]): Parts flagged for a class, against parts that show it; the
            others are good or show another class.
        no_better_than_flagging_all (bool | None): Of the part decision; None without good parts.
        prevalence (float | None): Share of defective parts on the line that F-beta, costs and the
            precision of FAIL were computed for. Default None, as among the calibration parts.

    Example:
        >>> len(Evidence.model_fields)
        12
    """

    date: str
    created_by: str
    parts: _Count
    images: _Count
    overlap_with_training: Literal['none', 'unknown']
    certificates: Annotated[tuple[Certificate, ...], Field(min_length=1, strict=False)]
    joint_confidence: _Share
    part: Counts
    failed: Counts
    by_class: dict[str, Counts]
    no_better_than_flagging_all: bool | None
    prevalence: _Share | None = None


def collect_evidence(
    parts: PartScores, chosen: PartThresholds, date: str, created_by: str
) -> Evidence:
    """Write down what thresholds rest on.

    Args:
        parts (PartScores): Calibration parts.
        chosen (PartThresholds): Thresholds chosen on them.
        date (str): When, ISO 8601.
        created_by (str): Program and version.

    Returns:
        Evidence: The record.
    """
    names = chosen.classes if chosen.per_class else (None,)
    return Evidence(
        date=date,
        created_by=created_by,
        parts=len(parts.names),
        images=parts.images,
        overlap_with_training=chosen.choices[0].overlap,
        certificates=tuple(
            Certificate(
                class_name=name,
                target_recall=choice.goal.target_recall,
                confidence=choice.goal.confidence,
                method=choice.method,
                n_defective=choice.certified.n_defective,
                n_good=choice.point.fp + choice.point.tn,
                allowed_misses=choice.certified.n_missed,
                recall_lower=choice.certified.lower,
                false_alarms_upper=choice.false_alarms_upper,
            )
            for name, choice in zip(names, chosen.choices, strict=True)
        ),
        joint_confidence=chosen.joint_confidence,
        part=Counts.of(chosen.part),
        failed=Counts.of(chosen.failed),
        by_class={
            name: Counts.of(point)
            for name, point in zip(chosen.classes, chosen.by_class, strict=True)
        },
        no_better_than_flagging_all=chosen.no_better_than_flagging_all,
        prevalence=chosen.choices[0].goal.prevalence,
    )
