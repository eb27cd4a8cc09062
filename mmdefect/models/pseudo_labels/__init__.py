"""From a teacher's boxes to what a student learns: the parts of the soft teacher."""

from __future__ import annotations

from mmdefect.models.pseudo_labels.box_jitter import BoxJitter
from mmdefect.models.pseudo_labels.candidate_spread import CandidateSpread
from mmdefect.models.pseudo_labels.class_thresholds import ClassThresholds
from mmdefect.models.pseudo_labels.mixture_thresholds import MixtureThresholds
from mmdefect.models.pseudo_labels.policy import PseudoLabelPolicy
from mmdefect.models.pseudo_labels.statistics import PseudoLabelStatistics
from mmdefect.models.pseudo_labels.view_consensus import ViewConsensus

__all__ = [
    'BoxJitter', 'CandidateSpread', 'ClassThresholds', 'MixtureThresholds', 'PseudoLabelPolicy',
    'PseudoLabelStatistics', 'ViewConsensus',
]  # fmt: skip
