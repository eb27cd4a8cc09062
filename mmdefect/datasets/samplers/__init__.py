"""Registered samplers."""

from __future__ import annotations

from mmdefect.datasets.samplers.semi_supervised_sampler import SemiSupervisedSampler

__all__ = ['SemiSupervisedSampler']
