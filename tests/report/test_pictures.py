from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmdefect.datasets.images import image_size, read_image
from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.pictures import crop_window, embed_pictures, encode_picture, pixels_to_show


def show(path: Path, size: tuple[int, int]) -> tuple[str | None, str | None]:
    pixels, problem = pixels_to_show(path, size)
    return (None if pixels is None else encode_picture(pixels)), problem


def pixels_of(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.split(',', 1)[1]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ('pixels', 'expected'),
    [
        (np.full((8, 8), 512, np.uint16), 128),  # 10 bits
        (np.full((8, 8), 1023, np.uint16), 255),
        (np.full((8, 8), 1024, np.uint16), 64),  # 12 bits
        (np.full((8, 8, 3), 2048, np.uint16), 128),
        (np.full((8, 8), 8192, np.uint16), 128),  # 14 bits
        (np.full((8, 8), 16384, np.uint16), 64),  # 16 bits
        (np.full((8, 8), 65535, np.uint16), 255),
        (np.zeros((8, 8), np.uint16), 0),
        (np.full((8, 8), 32768, np.uint16), 128),
        (np.full((8, 8, 4), 100, np.uint8), 100),  # RGBA
        (np.full((8, 8), 100, np.uint8), 100),
    ],
)
def test_depths(tmp_path: Path, pixels: np.ndarray, expected: int) -> None:
    for suffix in ('png', 'tiff'):
        file = tmp_path / f'ä.{suffix}'
        file.write_bytes(cv2.imencode(f'.{suffix}', pixels)[1].tobytes())
        uri, problem = show(file, (8, 8))
        assert problem is None
        assert abs(int(pixels_of(uri)[4, 4, 1]) - expected) <= 2


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tiff', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_picture_stands_as_in_the_dataset(tmp_path: Path, suffix: str, orientation: int) -> None:
    # One grey value per quarter, so that every turn and flip shows.
    corners = np.array([[0, 60], [140, 255]], np.uint8)
    pixels = np.repeat(np.kron(corners, np.ones((16, 24), np.uint8))[..., None], 3, axis=2)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / f'a.{suffix}'
    Image.fromarray(pixels).save(file, exif=exif)
    size = image_size(file)
    uri, problem = show(file, size)
    assert problem is None
    picture, wanted = pixels_of(uri), read_image(file)
    assert picture.shape == wanted.shape == (size[1], size[0], 3)
    centres = np.ix_([size[1] // 4, 3 * size[1] // 4], [size[0] // 4, 3 * size[0] // 4])
    np.testing.assert_allclose(picture[centres].astype(int), wanted[centres].astype(int), atol=6)
    assert len(np.unique(wanted[centres][..., 0])) == 4


def test_problems_are_said(tmp_path: Path) -> None:
    (tmp_path / 'empty.png').touch()
    (tmp_path / 'text.png').write_text('no image')
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((4, 4, 3), np.uint8))
    assert pixels_to_show(tmp_path / 'none.png', (4, 4)) == (None, 'image file not found')
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    (tmp_path / 'cut.jpg').write_bytes(cv2.imencode('.jpg', noise)[1].tobytes()[:600])
    for name, reason in (
        ('empty.png', 'the file is empty'),
        ('text.png', 'not an image in a known format'),
        ('cut.jpg', 'Truncated File Read'),
    ):
        picture, problem = pixels_to_show(tmp_path / name, (4, 4))
        assert picture is None
        assert problem.startswith('image cannot be decoded (') and reason in problem
        assert str(tmp_path) not in problem
    assert (
        'is now 4 x 4 pixels, evaluated were 8 x 4' in pixels_to_show(tmp_path / 'a.png', (8, 4))[1]
    )


def test_large_pictures_shrink_and_small_ones_stay() -> None:
    for shape, side, expected in (
        ((1000, 500), 480, (480, 240)),
        ((40, 60), 480, (40, 60)),
        ((1, 5000), 160, (1, 160)),
        ((480, 480), 480, (480, 480)),
    ):
        pixels = np.full((*shape, 3), 77, np.uint8)
        picture = pixels_of(encode_picture(pixels, side))
        assert picture.shape == (*expected, 3)
        assert abs(int(picture[0, 0, 0]) - 77) <= 2


@pytest.mark.parametrize(
    ('box', 'size', 'window'),
    [
        ((40, 40, 60, 50), (200, 100), (28, 28, 72, 62)),
        # A quarter of the mean side; the shorter side at least half of the longer one.
        ((400, 400, 800, 400 + 400), (2000, 2000), (300, 300, 900, 900)),
        ((0, 500, 1000, 510), (2000, 1000), (0, 242, 1050, 767)),
        # Moved into the image, cut only where it is too small.
        ((0, 0, 20, 20), (100, 100), (0, 0, 44, 44)),
        ((80, 80, 100, 100), (100, 100), (56, 56, 100, 100)),
        ((0, 0, 10, 10), (10, 10), (0, 0, 10, 10)),
        ((5, 5, 6, 6), (100, 20), (0, 0, 25, 20)),
        # Boxes that hold no pixel or lie outside.
        ((5, 5, 5, 5), (1, 1), (0, 0, 1, 1)),
        ((-50, 300, -40, 310), (100, 100), (0, 75, 25, 100)),
    ],
)
def test_window(box: tuple, size: tuple, window: tuple) -> None:
    assert crop_window(box, size) == window


@given(
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.tuples(*[st.floats(-500, 4500, width=32) for _ in range(4)]),
)
def test_window_lies_inside_and_holds_the_box(size: tuple, corners: tuple) -> None:
    x1, y1, x2, y2 = corners
    box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    left, top, right, bottom = crop_window(box, size)
    assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
    inside = [min(max(value, 0), size[i % 2]) for i, value in enumerate(box)]
    assert left <= inside[0] + 1 and top <= inside[1] + 1
    assert right >= inside[2] - 1 and bottom >= inside[3] - 1


def test_each_image_is_read_once_and_cropped_from_original_pixels(tmp_path: Path) -> None:
    pixels = np.full((1000, 2000, 3), 40, np.uint8)
    # A checker of single pixels: shrunk to the size of the page it would be plain grey.
    pixels[100:140:2, 100:140] = 200
    cv2.imwrite(str(tmp_path / 'a.png'), pixels)
    images = [
        EvaluatedImage(path=str(path), width=2000, height=1000, ground_truth=[], detections=[])
        for path in ('none.png', tmp_path / 'a.png', tmp_path / 'a.png')
    ]
    asked = []

    def track(iterable, description):
        for index in iterable:
            asked.append((index, description))
            yield index

    window = (100, 100, 140, 140)
    pictures = embed_pictures(images, {1: [window, (0, 0, 2000, 1000)], 0: [window]}, track)
    assert asked == [(0, 'pictures'), (1, 'pictures')]
    assert pictures[0].problem == 'image file not found' and pictures[0].crops == {}
    assert pixels_of(pictures[1].uri).shape == (240, 480, 3)
    crop = pixels_of(pictures[1].crops[window]).astype(int)
    assert crop.shape == (40, 40, 3)
    assert np.ptp(crop[:, 20, 0]) > 120
    assert pixels_of(pictures[1].crops[0, 0, 2000, 1000]).shape == (80, 160, 3)
