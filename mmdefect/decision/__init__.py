"""Thresholds, certificates and policies. NumPy, SciPy and Pydantic; loads no torch."""

from __future__ import annotations

from mmdefect.decision.bands import Bands
from mmdefect.decision.calibration import (
    IsotonicCalibration,
    TemperatureScaling,
    fit_isotonic,
    fit_temperature,
)
from mmdefect.decision.certificate import (
    CertifiedRecall,
    allowed_misses,
    certified_recall,
    parts_needed,
)
from mmdefect.decision.drift import DriftMartingale, DriftTest, permutation_drift
from mmdefect.decision.evidence import Certificate, Costs, Counts, Evidence
from mmdefect.decision.image_scores import ImageScores
from mmdefect.decision.line_point import LinePoint, line_point
from mmdefect.decision.not_certified_error import NotCertifiedError
from mmdefect.decision.operating_curve import OperatingCurve, operating_curve
from mmdefect.decision.operating_point import OperatingPoint, count_flagged, operating_point
from mmdefect.decision.part_scores import PartScores, collect_parts
from mmdefect.decision.part_thresholds import PartThresholds, choose_part_thresholds
from mmdefect.decision.policy import POLICY_FORMAT, ThresholdPolicy
from mmdefect.decision.pooling import Pooling
from mmdefect.decision.reaches import reaches
from mmdefect.decision.reliability import ReliabilityTable, reliability_table
from mmdefect.decision.results_file import (
    RESULTS_FORMAT,
    ResultsFile,
    ResultsHeader,
    write_results,
)
from mmdefect.decision.stability import ThresholdStability, threshold_stability
from mmdefect.decision.threshold_choice import ThresholdChoice, choose_threshold
from mmdefect.decision.threshold_goal import ThresholdGoal
from mmdefect.decision.threshold_report import ThresholdReport, report_thresholds
from mmdefect.decision.training_manifest import TrainingManifest
from mmdefect.decision.verdict import Verdict

__all__ = [
    'POLICY_FORMAT',
    'RESULTS_FORMAT',
    'Bands',
    'Certificate',
    'CertifiedRecall',
    'Costs',
    'Counts',
    'DriftMartingale',
    'DriftTest',
    'Evidence',
    'ImageScores',
    'IsotonicCalibration',
    'LinePoint',
    'NotCertifiedError',
    'OperatingCurve',
    'OperatingPoint',
    'PartScores',
    'PartThresholds',
    'Pooling',
    'ReliabilityTable',
    'ResultsFile',
    'ResultsHeader',
    'TemperatureScaling',
    'ThresholdChoice',
    'ThresholdGoal',
    'ThresholdPolicy',
    'ThresholdReport',
    'ThresholdStability',
    'TrainingManifest',
    'Verdict',
    'allowed_misses',
    'certified_recall',
    'choose_part_thresholds',
    'choose_threshold',
    'collect_parts',
    'count_flagged',
    'fit_isotonic',
    'fit_temperature',
    'line_point',
    'operating_curve',
    'operating_point',
    'parts_needed',
    'permutation_drift',
    'reaches',
    'reliability_table',
    'report_thresholds',
    'threshold_stability',
    'write_results',
]
