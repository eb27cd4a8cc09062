"""Registered hooks."""

from __future__ import annotations

from mmdefect.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from mmdefect.engine.hooks.cap_count_hook import CapCountHook
from mmdefect.engine.hooks.channels_last_hook import ChannelsLastHook
from mmdefect.engine.hooks.checkpoint_match_hook import CheckpointMatchHook
from mmdefect.engine.hooks.class_count_hook import ClassCountHook
from mmdefect.engine.hooks.class_progress_hook import ClassProgressHook
from mmdefect.engine.hooks.evaluation_record_hook import EvaluationRecordHook
from mmdefect.engine.hooks.freeze_schedule import FreezeSchedule
from mmdefect.engine.hooks.label_weight_hook import LabelWeightHook
from mmdefect.engine.hooks.mean_teacher_hook import MeanTeacherHook
from mmdefect.engine.hooks.progress_hook import ProgressHook
from mmdefect.engine.hooks.pseudo_label_gallery_hook import PseudoLabelGalleryHook
from mmdefect.engine.hooks.random_state_hook import RandomStateHook
from mmdefect.engine.hooks.results_file_hook import ResultsFileHook
from mmdefect.engine.hooks.sampler_check_hook import SamplerCheckHook
from mmdefect.engine.hooks.score_tracking_hook import ScoreTrackingHook
from mmdefect.engine.hooks.training_guard_hook import TrainingGuardHook
from mmdefect.engine.hooks.training_manifest_hook import TrainingManifestHook
from mmdefect.engine.hooks.weight_average_hook import WeightAverageHook

__all__ = [
    'AtomicCheckpointHook',
    'CapCountHook',
    'ChannelsLastHook',
    'CheckpointMatchHook',
    'ClassCountHook',
    'ClassProgressHook',
    'EvaluationRecordHook',
    'FreezeSchedule',
    'LabelWeightHook',
    'MeanTeacherHook',
    'ProgressHook',
    'PseudoLabelGalleryHook',
    'RandomStateHook',
    'ResultsFileHook',
    'SamplerCheckHook',
    'ScoreTrackingHook',
    'TrainingGuardHook',
    'TrainingManifestHook',
    'WeightAverageHook',
]
