from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.images import image_size, read_image
from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.gallery import Choice, choose_images, gallery_entry, load_picture
from mmdefect.report.matching import match_image

BOX = (10, 10, 20, 20)


def image(truth: int, hits: int, false: int, path: str = 'x/a.png') -> EvaluatedImage:
    places = [(30 * i, 0, 30 * i + 20, 20) for i in range(max(truth, hits))]
    return EvaluatedImage(
        path=path,
        width=900,
        height=90,
        ground_truth=[(*places[i], 0, 0) for i in range(truth)],
        detections=[(*places[i], 0, 0.9) for i in range(hits)]
        + [(30 * i, 50, 30 * i + 20, 70, 0, 0.9) for i in range(false)],
    )


def choose(images: list[EvaluatedImage], **options) -> list[Choice]:
    return choose_images(images, [match_image(item) for item in images], 0.5, **options)


def test_mix_and_order() -> None:
    images = [image(1, 1, 0), image(3, 1, 0), image(0, 0, 2), image(0, 0, 0), image(2, 1, 4)] * 40
    choices = choose(images)
    kinds = Counter(choice.kind for choice in choices)
    assert kinds == {'errors': 30, 'found': 18, 'good': 12}
    assert choices[0].missed + choices[0].false == 5
    assert sum(1 for choice in choices if choice.kind == 'good' and choice.false) == 6
    assert len({choice.index for choice in choices}) == 60


@pytest.mark.parametrize(
    ('images', 'expected'),
    [
        ([], {}),
        ([image(1, 1, 0)], {'found': 1}),
        ([image(1, 0, 0)] * 80, {'errors': 60}),
        ([image(0, 0, 0)] * 80, {'good': 60}),
        ([image(1, 1, 0)] * 80 + [image(0, 0, 0)] * 2, {'found': 58, 'good': 2}),
    ],
)
def test_places_left_over_go_to_others(images: list[EvaluatedImage], expected: dict) -> None:
    assert Counter(choice.kind for choice in choose(images)) == expected


def test_score_on_the_threshold_counts() -> None:
    item = EvaluatedImage(
        path='a', width=9, height=9, ground_truth=[], detections=[(*BOX, 0, 0.5), (*BOX, 0, 0.49)]
    )
    assert choose([item])[0].false == 1


def test_limit_of_one() -> None:
    assert len(choose([image(1, 0, 0), image(0, 0, 0)], limit=1)) == 1
    with pytest.raises(ValueError, match='limit must be 1 or more, got 0'):
        choose([], limit=0)


def pixels_of(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.split(',', 1)[1]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def test_entry_keeps_what_the_page_needs(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((1000, 500, 3), 77, np.uint8))
    item = EvaluatedImage(
        path=str(tmp_path / 'a.png'), width=500, height=1000,
        ground_truth=[(*BOX, 0, 0)], detections=[(*BOX, 0, 0.87654), (*BOX, 0, 0.001)],
    )  # fmt: skip
    entry = gallery_entry(item, match_image(item), Choice(0, 'found', 0, 0))
    assert entry['found'] == [[10, 10, 20, 20, 0, 0.8765, 0]]
    assert entry['name'] == f'{tmp_path.name}/a.png'
    picture = pixels_of(entry['picture'])
    assert picture.shape == (480, 240, 3)
    assert abs(int(picture[50, 50, 0]) - 77) <= 1


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
        uri, problem = load_picture(file, (8, 8))
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
    uri, problem = load_picture(file, size)
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
    assert load_picture(tmp_path / 'none.png', (4, 4)) == (None, 'image file not found')
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    (tmp_path / 'cut.jpg').write_bytes(cv2.imencode('.jpg', noise)[1].tobytes()[:600])
    for name, reason in (
        ('empty.png', 'the file is empty'),
        ('text.png', 'not an image in a known format'),
        ('cut.jpg', 'Truncated File Read'),
    ):
        picture, problem = load_picture(tmp_path / name, (4, 4))
        assert picture is None
        assert problem.startswith('image cannot be decoded (') and reason in problem
        assert str(tmp_path) not in problem
    assert (
        'is now 4 x 4 pixels, evaluated were 8 x 4' in load_picture(tmp_path / 'a.png', (8, 4))[1]
    )
