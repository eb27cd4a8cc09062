"""What an inspection found, counted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from mmdefect.inference.part_decision import PartDecision

__all__ = ['OUTCOMES', 'SUMMARY_FORMAT', 'InspectionSummary']

SUMMARY_FORMAT = 'mmdefect-inspection/1'
OUTCOMES = ('PASS', 'HOLD', 'FAIL')


@dataclass(slots=True)
class InspectionSummary:
    """Counts over all images of an inspection, those of earlier runs included.

    Args:
        model (str): SHA-256 of the checkpoint.
        policy (str | None): SHA-256 of the policy file; None without a policy.
        images (int): Images asked for.
        parts (int): Their parts.
        inspected (int): Images that this run has looked at. Default 0.
        seconds (float): How long that took. Default 0.
        passed_over (int): Files in the folders that are no images by their names. Default 0.
        outcomes (dict[str, int]): Parts by decision; empty without a policy.
        by_class (dict[str, dict[str, int]]): Parts on ``HOLD`` and that ``FAIL`` by the class that
            decided.
        unreadable (dict[str, str]): Images that could not be inspected, and why.

    Example:
        >>> summary = InspectionSummary('0' * 64, None, images=1, parts=1)
        >>> summary.count(PartDecision('p', 'FAIL', '', 'rust', 0.9, 0.5, ()))
        >>> summary.outcomes, summary.by_class, summary.all_pass
        ({'FAIL': 1}, {'rust': {'FAIL': 1}}, False)
    """

    model: str
    policy: str | None
    images: int
    parts: int
    inspected: int = 0
    seconds: float = 0.0
    passed_over: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    by_class: dict[str, dict[str, int]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def all_pass(self) -> bool:
        """Whether every part passes; of an inspection without a policy, that all was readable."""
        return not self.unreadable and not any(self.outcomes.get(name) for name in OUTCOMES[1:])

    def count(self, decision: PartDecision) -> None:
        """Add a part.

        Args:
            decision (PartDecision): What becomes of it.
        """
        self.outcomes[decision.outcome] = self.outcomes.get(decision.outcome, 0) + 1
        if decision.class_name is not None:
            counts = self.by_class.setdefault(decision.class_name, {})
            counts[decision.outcome] = counts.get(decision.outcome, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON holds it.

        Returns:
            dict[str, Any]: JSON values.
        """
        return {'format': SUMMARY_FORMAT, **asdict(self)}
