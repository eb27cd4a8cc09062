"""Registered wrappers of models."""

from __future__ import annotations

from mmdefect.engine.model_wrappers.cpu_distributed_data_parallel import (
    CPUDistributedDataParallel,
)

__all__ = ['CPUDistributedDataParallel']
