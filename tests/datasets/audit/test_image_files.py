import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.audit.image_files import inspect_image, inspect_images


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def test_colour_file(tmp_path, noise):
    Image.fromarray(noise).save(tmp_path / 'a.png')
    facts = inspect_image(tmp_path / 'a.png')
    assert (facts.size, facts.file_format, facts.channels) == ((60, 40), 'PNG', 3)
    assert not (facts.problem or facts.grey or facts.alpha or facts.deep)
    assert facts.deviation > 20 and facts.small.shape == (32, 32)


@pytest.mark.parametrize(('suffix', 'channels'), [('png', 3), ('jpg', 3)])
def test_grey_in_three_channels(tmp_path, noise, suffix, channels):
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(np.repeat(noise[..., :1], 3, axis=2)).save(path)
    facts = inspect_image(path)
    assert facts.grey and facts.channels == channels


def test_deep_file(tmp_path, noise):
    pixels = noise[..., 0].astype(np.uint16) * 16
    pixels[0, 0] = 4095
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    facts = inspect_image(tmp_path / 'a.png')
    assert facts.deep and facts.largest == 4095 and facts.grey and facts.channels == 1
    # Against the 4095 that occur, not against 65535.
    assert 60 < facts.deviation < 90


def test_black_deep_file(tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(tmp_path / 'a.png')
    facts = inspect_image(tmp_path / 'a.png')
    assert facts.deep and facts.largest == 0 and facts.deviation == 0


def test_turned_file_is_upright(tmp_path, noise):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise).save(tmp_path / 'a.jpg', exif=exif)
    facts = inspect_image(tmp_path / 'a.jpg')
    assert facts.orientation == 6 and facts.size == (40, 60)


@pytest.mark.parametrize(('content', 'word'), [(b'', 'empty'), (b'no image', 'known format')])
def test_damaged_file(tmp_path, content, word):
    (tmp_path / 'a.png').write_bytes(content)
    assert word in inspect_image(tmp_path / 'a.png').problem


def test_truncated_file(tmp_path, noise):
    Image.fromarray(noise).save(tmp_path / 'a.png')
    (tmp_path / 'a.png').write_bytes((tmp_path / 'a.png').read_bytes()[:-500])
    assert 'cannot be decoded' in inspect_image(tmp_path / 'a.png').problem


@pytest.mark.parametrize('workers', [1, 3])
def test_order_is_that_of_the_files(tmp_path, workers):
    paths = []
    for number in range(30):
        paths.append(tmp_path / f'{number}.png')
        Image.new('L', (number + 1, 2)).save(paths[-1])
    assert [facts.size[0] for facts in inspect_images(paths, workers)] == list(range(1, 31))


def test_stopping_half_way_leaves_no_thread_waiting(tmp_path):
    Image.new('L', (4, 4)).save(tmp_path / 'a.png')
    facts = inspect_images([tmp_path / 'a.png'] * 100)
    assert next(facts).size == (4, 4)
    facts.close()


def test_bad_workers():
    with pytest.raises(ValueError, match='workers must be 1 or more'):
        next(inspect_images([], 0))
