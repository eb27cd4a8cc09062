from __future__ import annotations

import numpy as np
import pytest

from mmdefect.wording import counted


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ((1, 'image'), '1 image'),
        ((0, 'image'), '0 images'),
        ((2, 'image'), '2 images'),
        ((np.int64(1), 'box', 'boxes'), '1 box'),
        ((3, 'box', 'boxes'), '3 boxes'),
    ],
)
def test_numbers_and_nouns_agree(given, said):
    assert counted(*given) == said
