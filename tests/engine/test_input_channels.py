from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mmdefect.engine.input_channels import adapt_input_channels


def test_a_grey_image_gives_the_same_features():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, 7, 7, generator=generator)
    grey = torch.rand(2, 1, 20, 20, generator=generator)
    summed = adapt_input_channels(torch.zeros(5, 1, 7, 7), weight)
    expected = functional.conv2d(grey.expand(-1, 3, -1, -1), weight)
    torch.testing.assert_close(functional.conv2d(grey, summed), expected, rtol=1e-4, atol=1e-4)
    shared = adapt_input_channels(torch.zeros_like(weight), summed)
    assert shared.shape == weight.shape
    again = functional.conv2d(grey.expand(-1, 3, -1, -1), shared)
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-4)


def test_takes_the_dtype_of_the_model():
    weight = adapt_input_channels(torch.zeros(2, 1, 1, 1), torch.ones(2, 3, 1, 1).half())
    assert weight.dtype == torch.float32 and weight.flatten().tolist() == [3, 3]


@pytest.mark.parametrize(
    ('target', 'source'),
    [
        ((4, 3, 3, 3), (4, 3, 3, 3)),
        ((4, 1, 3, 3), (4, 4, 3, 3)),
        ((4, 1, 3, 3), (5, 3, 3, 3)),
        ((4, 1, 3, 3), (4, 3, 7, 7)),
        ((4,), (4,)),
        ((4, 1), (4, 3)),
    ],
)
def test_anything_else_is_not_adapted(target, source):
    assert adapt_input_channels(torch.zeros(target), torch.zeros(source)) is None
