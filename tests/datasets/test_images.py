from __future__ import annotations

import struct
import tracemalloc
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmdefect.datasets.images import _upright, decode_image, image_size, read_image
from mmdefect.datasets.masks import read_mask
from mmdefect.errors import ImageFileError, InputError

ORIENTATION = 0x0112


def colours(height=6, width=9, dtype=np.uint8, channels=3):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(
        0, top, (height, width, channels), dtype=dtype, endpoint=True
    )


def tiff_with_orientation(pixels, orientation):
    """Encode with OpenCV and append a directory that has the orientation tag too."""
    data = bytearray(cv2.imencode('.tiff', pixels)[1].tobytes())
    data += b'\0' * (len(data) % 2)
    offset = struct.unpack_from('<I', data, 4)[0]
    count = struct.unpack_from('<H', data, offset)[0]
    entries = [bytes(data[offset + 2 + 12 * i : offset + 14 + 12 * i]) for i in range(count)]
    entries.append(struct.pack('<HHIHH', ORIENTATION, 3, 1, orientation, 0))
    entries.sort(key=lambda entry: struct.unpack_from('<H', entry)[0])
    struct.pack_into('<I', data, 4, len(data))
    return bytes(data + struct.pack('<H', len(entries)) + b''.join(entries) + struct.pack('<I', 0))


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA'])
@pytest.mark.parametrize('suffix', ['png', 'tiff', 'bmp'])
def test_8bit_modes_become_bgr_without_alpha(tmp_path, mode, suffix):
    image = Image.fromarray(colours()).convert(mode)
    if (mode, suffix) == ('LA', 'bmp'):
        pytest.skip('BMP has no grey with alpha')
    image.save(tmp_path / f'a.{suffix}')
    found = read_image(tmp_path / f'a.{suffix}')
    wanted = np.asarray(image.convert('RGB' if mode in ('P', 'RGB', 'RGBA') else 'L'))
    wanted = np.stack([wanted] * 3, -1) if wanted.ndim == 2 else wanted[..., ::-1]
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize('suffix', ['png', 'tiff'])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_16bit_is_scaled_by_bit_depth_and_alpha_dropped(tmp_path, suffix, channels):
    pixels = colours(dtype=np.uint16, channels=channels) >> 4
    pixels[0, 0] = 4095
    cv2.imwrite(str(tmp_path / f'a.{suffix}'), pixels)
    found = read_image(tmp_path / f'a.{suffix}', bit_depth=12)
    wanted = np.repeat(pixels, 3, -1) if channels == 1 else pixels[..., :3]
    assert found.dtype == np.float32
    assert found.max() == 255
    np.testing.assert_allclose(found, wanted * (255 / 4095), rtol=1e-6)
    np.testing.assert_allclose(
        read_image(tmp_path / f'a.{suffix}'), wanted * (255 / 65535), rtol=1e-6
    )


def test_scale_does_not_depend_on_the_image(tmp_path):
    for name, top in (('dark', 100), ('bright', 4000)):
        pixels = np.full((4, 4), 50, np.uint16)
        pixels[0, 0] = top
        cv2.imwrite(str(tmp_path / f'{name}.png'), pixels)
    dark, bright = (read_image(tmp_path / f'{n}.png', bit_depth=12) for n in ('dark', 'bright'))
    assert dark[1, 1, 0] == bright[1, 1, 0]


def test_8bit_ignores_bit_depth(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), colours())
    assert read_image(tmp_path / 'a.png', bit_depth=12).dtype == np.uint8


def test_value_above_bit_depth_names_the_likely_one(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((2, 2), 4095, np.uint16))
    with pytest.raises(InputError, match=r'a\.png: pixel value 4095 .* set bit_depth=12'):
        read_image(tmp_path / 'a.png', bit_depth=10)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_as_pillow_turns_it(tmp_path, suffix, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(colours()).save(path, exif=exif)
    with Image.open(path) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert('RGB'))[..., ::-1]
    found = read_image(path)
    np.testing.assert_array_equal(found, wanted)
    assert found.flags.c_contiguous
    assert image_size(path) == (wanted.shape[1], wanted.shape[0])


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_tiff_orientation(tmp_path, dtype, channels, orientation):
    pixels = colours(dtype=dtype, channels=channels)
    path = tmp_path / 'a.tiff'
    path.write_bytes(tiff_with_orientation(pixels, orientation))
    wanted = np.repeat(_upright(pixels, orientation), 3 if channels == 1 else 1, -1)
    found = read_image(path)
    assert image_size(path) == (found.shape[1], found.shape[0])
    scale = 255 / 65535 if dtype == np.uint16 else 1
    np.testing.assert_allclose(found, wanted * scale, rtol=1e-6)


@pytest.mark.parametrize('orientation', [3, 6])
def test_16bit_png_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    pixels = colours(dtype=np.uint16)[..., 0]
    Image.fromarray(pixels).save(tmp_path / 'a.png', exif=exif)
    found = read_image(tmp_path / 'a.png', channels=1)[..., 0]
    np.testing.assert_allclose(found, _upright(pixels, orientation) * (255 / 65535), rtol=1e-6)
    assert image_size(tmp_path / 'a.png') == found.shape[::-1]


@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 5))
def test_upright_keeps_the_pixels(orientation, height, width):
    pixels = np.arange(height * width).reshape(height, width)
    found = _upright(pixels, orientation)
    assert found.shape == ((width, height) if orientation >= 5 else (height, width))
    assert sorted(found.ravel()) == sorted(pixels.ravel())


def test_one_channel(tmp_path):
    Image.fromarray(colours()).save(tmp_path / 'a.png')
    assert read_image(tmp_path / 'a.png', channels=1).shape == (6, 9, 1)
    Image.new('L', (9, 6)).save(tmp_path / 'b.png')
    assert read_image(tmp_path / 'b.png', channels=1).shape == (6, 9, 1)


def test_one_pixel_and_unicode_path(tmp_path):
    path = tmp_path / 'Prüfbild 検査.png'
    Image.fromarray(np.full((1, 1), 65535, np.uint16)).save(path)
    assert read_image(path).tolist() == [[[255, 255, 255]]]
    assert image_size(path) == (1, 1)


def encoded(pixels, suffix):
    return cv2.imencode(suffix, pixels)[1].tobytes()


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tiff', '.bmp', '.webp'])
@pytest.mark.parametrize('kept', [0.0, 0.05, 0.5, 0.9])
def test_truncated_8bit_raises(tmp_path, suffix, kept):
    data = encoded(colours(64, 48), suffix)
    path = tmp_path / f'cut{suffix}'
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match=r'cut\.\w+: image cannot be decoded'):
        read_image(path)


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
@pytest.mark.parametrize('kept', [0.3, 0.6, 0.9])
def test_truncated_16bit_raises(tmp_path, suffix, kept):
    data = encoded(colours(64, 48, np.uint16), suffix)
    path = tmp_path / f'cut{suffix}'
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match='image cannot be decoded'):
        read_image(path)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [(b'', 'the file is empty'), (b'not an image, but text', 'not an image in a known format')],
)
def test_what_is_no_image(tmp_path, content, reason):
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    for function in (read_image, image_size):
        with pytest.raises(InputError, match=reason) as caught:
            function(path)
        assert '\n' not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    for function in (read_image, image_size):
        with pytest.raises(InputError, match='image file is missing'):
            function(tmp_path / 'none.png')
        with pytest.raises(InputError, match='is a folder'):
            function(tmp_path)


def test_float_tiff_is_refused(tmp_path):
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / 'a.tiff')
    with pytest.raises(InputError, match='8 or 16 bits'):
        read_image(tmp_path / 'a.tiff')


def write_png(path, width, height, depth, *chunks):
    """A PNG of grey zeros, written piece by piece."""
    deflate = zlib.compressobj(9)
    row = bytes(1 + width * depth // 8)
    pixels = b''.join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    header = struct.pack('>IIBBBBB', width, height, depth, 0, 0, 0, 0)
    with path.open('wb') as file:
        file.write(b'\x89PNG\r\n\x1a\n')
        for kind, data in ((b'IHDR', header), *chunks, (b'IDAT', pixels), (b'IEND', b'')):
            check = zlib.crc32(kind + data)
            file.write(struct.pack('>I', len(data)) + kind + data + struct.pack('>I', check))


def test_decompression_bomb(tmp_path):
    path = tmp_path / 'bomb.png'
    write_png(path, 16_384, 11_000, 1)
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    for function in (read_image, image_size):
        with pytest.raises(ImageFileError) as caught:
            function(path)
        message = str(caught.value)
        assert message.startswith(f'{path}: more than 179 megapixels') and '\n' not in message
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize('read', [read_image, image_size, read_mask])
def test_large_images_are_read_without_a_warning(tmp_path, monkeypatch, read):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)
    for name, side in (('large', 40), ('larger', 50)):
        Image.new('P', (side, side)).save(tmp_path / f'{name}.png')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        assert read(tmp_path / 'large.png') is not None
        with pytest.raises(ImageFileError, match='as a decompression bomb has'):
            read(tmp_path / 'larger.png')
    assert not said


def test_text_that_is_a_bomb(tmp_path):
    text = b'comment\0\0' + zlib.compress(bytes(10_000_000), 9)
    write_png(tmp_path / 'bomb.png', 8, 8, 8, (b'zTXt', text))
    with pytest.raises(ImageFileError, match=r'bomb\.png: image cannot be decoded \(.*\); replace'):
        read_image(tmp_path / 'bomb.png')


def test_tall_images_are_copied_whole(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (1100, 3, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'colour.png')
    assert np.array_equal(read_image(tmp_path / 'colour.png'), pixels[..., ::-1])
    Image.fromarray(pixels[..., 0]).save(tmp_path / 'grey.png')
    assert np.array_equal(read_image(tmp_path / 'grey.png', channels=1), pixels[..., :1])


@pytest.mark.parametrize(('key', 'value'), [('bit_depth', 8), ('bit_depth', 0), ('channels', 4)])
def test_bad_arguments(tmp_path, key, value):
    with pytest.raises(ValueError, match=f'{key} must be'):
        read_image(tmp_path / 'a.png', **{key: value})


@pytest.mark.parametrize(
    ('suffix', 'mode', 'options', 'expected'),
    [
        ('png', 'L', {}, ((6, 8), 'uint8', 'PNG', 1, False)),
        ('png', 'I;16', {}, ((6, 8), 'uint16', 'PNG', 1, False)),
        ('png', 'RGBA', {}, ((6, 8, 3), 'uint8', 'PNG', 1, True)),
        ('png', 'P', {'transparency': 0}, ((6, 8, 3), 'uint8', 'PNG', 1, True)),
        ('jpg', 'RGB', {'exif': 6}, ((8, 6, 3), 'uint8', 'JPEG', 6, False)),
        ('tif', 'L', {'exif': 6}, ((8, 6), 'uint8', 'TIFF', 6, False)),
    ],
)
def test_decoded_image_says_what_the_file_holds(tmp_path, suffix, mode, options, expected):
    path = tmp_path / f'a.{suffix}'
    if 'exif' in options:
        exif = Image.Exif()
        exif[0x0112] = options['exif']
        options = {'exif': exif}
    Image.new(mode, (8, 6)).save(path, **options)
    image = decode_image(path.read_bytes(), path)
    found = (
        image.pixels.shape, str(image.pixels.dtype), image.file_format, image.orientation,
        image.alpha,
    )  # fmt: skip
    assert found == expected
