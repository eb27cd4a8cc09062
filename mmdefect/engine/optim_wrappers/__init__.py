"""Registered optimiser wrappers."""

from __future__ import annotations

from mmdefect.engine.optim_wrappers.amp_optim_wrapper import AmpOptimWrapper

__all__ = ['AmpOptimWrapper']
