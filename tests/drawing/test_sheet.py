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


def test_captions_stand_below_their_image_and_stay_in_the_cell() -> None:
    black = np.zeros((20, 60, 3), np.uint8)
    plain = contact_sheet([black, black, black], 2, cell=(60, 20), gap=4)
    sheet = contact_sheet(
        [black, black, black], 2, cell=(60, 20), gap=4, captions=['good', 'x' * 500, 'a\nb\nc']
    )
    text = 3 * 15
    assert sheet.shape == (plain.shape[0] + 2 * text, plain.shape[1], 3)
    written = sheet < 255
    assert written[24:39, 4:64].any() and not written[39 : 24 + text, 4:64].any()
    assert written[24:39, 68:128].any()
    # Nothing runs into the gaps.
    assert not written[:, 64:68].any() and not written[:, 128:].any()
    third = written[24 + text + 4 + 20 :, 4:64]
    assert all(third[15 * line : 15 * (line + 1)].any() for line in range(3))


def test_captions_are_light_on_dark() -> None:
    image = np.full((9, 9, 3), 128, np.uint8)
    sheet = contact_sheet([image], 1, cell=(60, 20), background=0, captions=['good'])
    assert sheet.max() > 200


def test_as_many_captions_as_images() -> None:
    with pytest.raises(ValueError, match='captions must be 1 as images are, got 2'):
        contact_sheet([np.zeros((2, 2, 3), np.uint8)], 1, captions=['a', 'b'])


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
