"""How fast a machine multiplies: the bound of what a training step can take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from timing import DEVICE, alternate, make_rows
from torch.nn.functional import conv2d, linear

# The first layer of a RoI head reads 7x7 bins of 256 channels; it is sampled 512 RoIs an image.
ROIS, CHANNELS, BINS, HIDDEN = 512, 256, 7, 1024


def arithmetic_rows(size: int, batch: int, rounds: int) -> list[dict[str, Any]]:
    """Time the largest matrix product and a typical convolution of Faster R-CNN, forward.

    The product is also written as the convolution that it is, which oneDNN computes in place of
    MKL. The peer of a row is the first of the same arithmetic, in float32.

    Args:
        size (int): Image side in pixels; the convolution is of a map of a fourth of it.
        batch (int): Images.
        rounds (int): Turns.

    Returns:
        list[dict[str, Any]]: Rows in GFLOP/s.
    """
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> torch.Tensor:
        values = torch.randn(shape, generator=generator).to(DEVICE)
        return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values

    pooled, kernel = noise(batch * ROIS, CHANNELS, BINS, BINS), noise(HIDDEN, CHANNELS, BINS, BINS)
    rows, columns = pooled.flatten(1).contiguous(), kernel.flatten(1).contiguous()
    image, filters = noise(batch, CHANNELS, size // 4, size // 4), noise(CHANNELS, CHANNELS, 3, 3)
    half = [values.bfloat16() for values in (rows, columns, image, filters)]
    return [
        *_rates(
            f'matrix product {len(rows)}x{rows.shape[1]} by {rows.shape[1]}x{HIDDEN}',
            2 * rows.numel() * HIDDEN,
            {
                'fp32': lambda: linear(rows, columns),
                'fp32 as 7x7 convolution': lambda: conv2d(pooled, kernel),
                'bf16': lambda: linear(half[0], half[1]),
            },
            rounds,
        ),
        *_rates(
            f'3x3 convolution {batch}x{CHANNELS}x{size // 4}x{size // 4}',
            2 * image.numel() * CHANNELS * 9,
            {
                'fp32': lambda: conv2d(image, filters, padding=1),
                'bf16': lambda: conv2d(half[2], half[3], padding=1),
            },
            rounds,
        ),
    ]


def _rates(
    title: str, operations: int, steps: dict[str, Callable[[], Any]], rounds: int
) -> list[dict[str, Any]]:
    """Rows of the same arithmetic done in several ways; ``fp32`` is the peer of the others."""
    with torch.inference_mode():
        times = alternate(steps, rounds, repeats=1)
    plain = times.pop('fp32')
    others = {f'{title} {name}': timing for name, timing in times.items()}
    return [
        *make_rows({f'{title} fp32': plain}, 'GFLOP/s', operations / 1e9),
        *make_rows({**others, 'peer': plain}, 'GFLOP/s', operations / 1e9),
    ]
