"""Registered samplers."""

from __future__ import annotations

from mmdefect.datasets.samplers.semi_supervised_sampler import SemiSupervisedSampler
from mmdefect.datasets.samplers.tile_sampler import TileSampler

__all__ = ['SemiSupervisedSampler', 'TileSampler']
