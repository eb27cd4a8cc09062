"""Thresholds, certificates and policies. NumPy, SciPy and Pydantic; loads no torch."""

from __future__ import annotations

from mmdefect.decision.certificate import (
    CertifiedRecall,
    allowed_misses,
    certified_recall,
    parts_needed,
)
from mmdefect.decision.not_certified_error import NotCertifiedError
from mmdefect.decision.operating_point import OperatingPoint, operating_point
from mmdefect.decision.reaches import reaches
from mmdefect.decision.threshold_choice import ThresholdChoice, choose_threshold
from mmdefect.decision.threshold_goal import ThresholdGoal
from mmdefect.decision.training_manifest import TrainingManifest

__all__ = [
    'CertifiedRecall',
    'NotCertifiedError',
    'OperatingPoint',
    'ThresholdChoice',
    'ThresholdGoal',
    'TrainingManifest',
    'allowed_misses',
    'certified_recall',
    'choose_threshold',
    'operating_point',
    'parts_needed',
    'reaches',
]
