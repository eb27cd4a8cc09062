"""Registered loops."""

from __future__ import annotations

from mmdefect.engine.loops.guarded_iter_based_train_loop import GuardedIterBasedTrainLoop

__all__ = ['GuardedIterBasedTrainLoop']
