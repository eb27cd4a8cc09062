from __future__ import annotations

import numpy as np
import pytest

from mmdefect.drawing import contact_sheet


def test_places_and_proportions() -> None:
    wide = np.full((10, 20, 3), 50, np.uint8)
    tall = np.full((40, 10, 3), 90, np.uint8)
    sheet = contact_sheet([wide, tall, wide], 2, cell=(20, 20), gap=2)
    assert sheet.shape == (2 * 22 + 2, 2 * 22 + 2, 3)
    assert sheet[12, 12, 0] == 50 and sheet[4, 12, 0] == 255  # letterboxed
    assert sheet[12, 34, 0] == 90 and sheet[12, 26, 0] == 255
    assert sheet[34, 12, 0] == 50 and sheet[34, 34, 0] == 255  # last cell empty


def test_one_image_makes_no_empty_columns() -> None:
    sheet = contact_sheet([np.zeros((1, 1, 3), np.uint8)], 5, cell=(8, 9), gap=1)
    assert sheet.shape == (11, 10, 3)


@pytest.mark.parametrize(
    ('images', 'columns', 'message'),
    [
        ([], 2, 'images must be one image'),
        ([np.zeros((2, 2, 3), np.uint8)], 0, 'columns must be 1 or more'),
        ([np.zeros((2, 2), np.uint8)], 1, 'images must be'),
    ],
)
def test_bad_arguments(images: list, columns: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contact_sheet(images, columns)
