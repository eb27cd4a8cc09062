"""The machine that a benchmark ran on."""

from __future__ import annotations

import torch

from mmdefect.compat.health import diagnose


def describe_machine() -> dict[str, object]:
    """Name CPU, GPU, threads and versions.

    Returns:
        dict[str, object]: JSON-serialisable.
    """
    health = diagnose()
    cpu = health['cpu']
    return {
        'cpu': cpu['name'],
        'threads': torch.get_num_threads(),
        'features': [key for key in ('avx512', 'avx512_bf16', 'amx_bf16') if cpu[key]],
        'gpu': [gpu['name'] for gpu in health['gpu']],
        'versions': health['versions'],
    }
