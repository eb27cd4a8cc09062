"""Registered optimiser wrappers, and what builds them."""

from __future__ import annotations

from mmdefect.engine.optim_wrappers.amp_optim_wrapper import AmpOptimWrapper
from mmdefect.engine.optim_wrappers.trained_weights_constructor import TrainedWeightsConstructor

__all__ = ['AmpOptimWrapper', 'TrainedWeightsConstructor']
