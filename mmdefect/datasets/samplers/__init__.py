"""Registered samplers."""

from __future__ import annotations

from mmdefect.datasets.samplers.density_curriculum_sampler import DensityCurriculumSampler
from mmdefect.datasets.samplers.semi_supervised_sampler import SemiSupervisedSampler
from mmdefect.datasets.samplers.tile_sampler import TileSampler

__all__ = ['DensityCurriculumSampler', 'SemiSupervisedSampler', 'TileSampler']
