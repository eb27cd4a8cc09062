"""Keeps NaN and infinity out of weights, averages and buffers, on all ranks alike."""

from __future__ import annotations

from mmdefect.engine.guard.batch_check import broken_images, image_names
from mmdefect.engine.guard.buffer_snapshot import BufferSnapshot
from mmdefect.engine.guard.guarded_step import GuardedStep
from mmdefect.engine.guard.rank_agreement import NonFiniteIterationError, RankAgreement

__all__ = [
    'BufferSnapshot',
    'GuardedStep',
    'NonFiniteIterationError',
    'RankAgreement',
    'broken_images',
    'image_names',
]
