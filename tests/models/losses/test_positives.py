from __future__ import annotations

import pytest
import torch

from mmdefect.models.losses import mean_positives


@pytest.mark.parametrize(
    ('labels', 'expected'),
    [
        ([[0, 1, 2, 3, 3]], 3.0),
        ([[3, 3], [3]], 1.0),  # all clean: divided by 1
        ([[0], [3], [2, 1, -1]], 3.0),
        ([[]], 1.0),
        ([[[0, 3], [1, 1]]], 3.0),
    ],
)
def test_counts_of_one_process(labels, expected):
    levels = [torch.tensor(level, dtype=torch.int64) for level in labels]
    assert mean_positives(levels, num_classes=3) == expected
