"""Image files: strict decoding, upright by EXIF."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mmdefect.datasets.model_range import BIT_DEPTHS, to_model_range
from mmdefect.errors import ImageFileError

__all__ = [
    'IMAGE_SUFFIXES',
    'DecodedImage',
    'decode_image',
    'image_bytes',
    'image_size',
    'open_image',
    'read_image',
]

# Lower case; what the readers look for beside annotations without a usable file name.
IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')

_EXIF_ORIENTATION = 0x0112
# Copied out of Pillow at a time: it holds four bytes a pixel of colour, and copies twice on export.
_ROWS = 128
_TIFF_BITS_PER_SAMPLE = 258
_DECODE_ERRORS: tuple[type[Exception], ...] = (
    Image.DecompressionBombError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_image(path: str | Path, bit_depth: int | None = None, channels: int = 3) -> NDArray[Any]:
    """Read an image as the models see it.

    Every format is decoded strictly: a truncated file is an error, never a half-grey image.
    EXIF orientation is applied, alpha dropped, palettes resolved. 8-bit images stay ``uint8``;
    deeper ones become ``float32`` in 0..255, scaled by ``255 / (2 ** bit_depth - 1)`` and never
    by their own minimum and maximum, so equal grey values stay equal across images.

    Args:
        path (str | Path): JPEG, PNG, TIFF, BMP, WebP or another format that Pillow reads.
        bit_depth (int | None): Bits the camera fills in a 16-bit file: 10, 12, 14 or 16. 8-bit
            files are not affected. Default None, which is 16.
        channels (int): 3 for BGR, 1 for grey. Default 3.

    Returns:
        NDArray: Contiguous ``uint8`` or ``float32`` of shape (h, w, channels).

    Raises:
        InputError: The file is missing, empty, truncated, no image, too large, or holds values
            above the stated bit depth.
        ValueError: ``bit_depth`` or ``channels`` is not one of the listed values.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'grey.png'
        >>> Image.fromarray(np.full((2, 3), 4095, np.uint16)).save(path)
        >>> image = read_image(path, bit_depth=12)
        >>> image.shape, image.dtype, float(image.max())
        ((2, 3, 3), dtype('float32'), 255.0)
    """
    if bit_depth is not None and bit_depth not in BIT_DEPTHS:
        raise ValueError(f'bit_depth must be one of {BIT_DEPTHS} or None, got {bit_depth!r}')
    if channels not in (1, 3):
        raise ValueError(f'channels must be 1 or 3, got {channels!r}')
    pixels = decode_image(image_bytes(path), path).pixels
    return to_model_range(pixels, bit_depth, channels, str(path))


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An image as its file holds it, turned upright.

    Args:
        pixels (NDArray): ``uint8`` or ``uint16``, shape (h, w) for grey, (h, w, 3) BGR for colour.
        file_format (str): What the content is, such as ``JPEG``.
        orientation (int): EXIF orientation that was undone, 1 (none) to 8.
        alpha (bool): The file has transparency, which was dropped.

    Example:
        >>> DecodedImage(np.zeros((2, 3), np.uint8), 'PNG', 1, False).file_format
        'PNG'
    """

    pixels: NDArray[Any]
    file_format: str
    orientation: int
    alpha: bool


def decode_image(data: bytes, path: str | Path) -> DecodedImage:
    """Decode an image strictly and turn it upright; no value is scaled.

    Args:
        data (bytes): Content of the file.
        path (str | Path): The file, for messages.

    Returns:
        DecodedImage: Pixels and what the file says of itself.

    Raises:
        InputError: The content is empty, truncated, no image or too large.

    Example:
        >>> buffer = BytesIO()
        >>> Image.new('RGBA', (3, 2)).save(buffer, 'PNG')
        >>> image = decode_image(buffer.getvalue(), 'a.png')
        >>> image.pixels.shape, image.alpha
        ((2, 3, 3), True)
    """
    pixels: NDArray[Any]
    try:
        # From memory: Pillow leaves memory-mapped TIFF files unrotated.
        with open_image(BytesIO(data)) as opened:
            # Asked before decoding: a TIFF forgets it then.
            orientation = _orientation(opened)
            alpha = 'A' in opened.getbands() or 'transparency' in opened.info
            pixels = _decode_deep(opened, data) if _is_deep(opened, data) else _decode_8bit(opened)
            return DecodedImage(pixels, opened.format or '', orientation, alpha)
    except _DECODE_ERRORS as error:
        raise _undecodable(path, error) from error


def open_image(source: str | Path | BytesIO) -> Image.Image:
    """Open an image with Pillow, without its warning.

    Pillow warns from half the size that it refuses. Refused is what is too large; all else is read
    without a word. Filters of warnings belong to the process, so one is set where there is none,
    and not one for each image: that would show all other warnings anew.

    Args:
        source (str | Path | BytesIO): The file, or its content.

    Returns:
        Image.Image: Its pixels are not loaded yet.

    Raises:
        DecompressionBombError: It is too large (an exception of Pillow).
        OSError: It is no image.

    Example:
        >>> buffer = BytesIO()
        >>> Image.new('L', (3, 2)).save(buffer, 'PNG')
        >>> open_image(buffer).size
        (3, 2)
    """
    if not any(item[2] is Image.DecompressionBombWarning for item in warnings.filters):
        warnings.simplefilter('ignore', Image.DecompressionBombWarning)
    return Image.open(source)


def image_size(path: str | Path) -> tuple[int, int]:
    """Read the upright size of an image from its header.

    Args:
        path (str | Path): The image file.

    Returns:
        tuple[int, int]: ``(w, h)`` in pixels after EXIF orientation.

    Raises:
        InputError: The file is missing, empty or no image.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'a.jpg'
        >>> exif = Image.Exif()
        >>> exif[0x0112] = 6
        >>> Image.new('RGB', (30, 20)).save(path, exif=exif)
        >>> image_size(path)
        (20, 30)
    """
    _check_file(path)
    try:
        with open_image(path) as image:
            width, height = image.size
            if image.format != 'TIFF' and _orientation(image) >= 5:
                width, height = height, width
            return width, height
    except _DECODE_ERRORS as error:
        raise _undecodable(path, error) from error


def _check_file(path: str | Path) -> None:
    path = Path(path)
    try:
        there, is_file = path.exists(), path.is_file()
    except OSError as error:
        reason = error.strerror or error
        raise ImageFileError(
            f'{str(path)[:200]}: image path cannot be used ({reason}); correct it'
        ) from error
    if not there:
        raise ImageFileError(f'{path}: image file is missing; check the path or remove its entry')
    if not is_file:
        raise ImageFileError(f'{path}: is a folder, not an image file')


def image_bytes(path: str | Path) -> bytes:
    """Read the content of an image file.

    Args:
        path (str | Path): The file.

    Returns:
        bytes: All of it.

    Raises:
        ImageFileError: The file is missing, a folder, or cannot be read.

    Example:
        >>> image_bytes('none.png')
        Traceback (most recent call last):
        ...
        mmdefect.errors.ImageFileError: none.png: image file is missing; check the path or \
remove its entry
    """
    _check_file(path)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageFileError(f'{path}: cannot be read ({error.strerror or error})') from error


def _undecodable(path: str | Path, error: BaseException) -> ImageFileError:
    if isinstance(error, Image.DecompressionBombError):
        # Pillow refuses twice what it warns of.
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return ImageFileError(
            f'{path}: more than {limit / 1e6:.0f} megapixels, as a decompression bomb has; cut the '
            'image into parts or remove the file'
        )
    if Path(path).stat().st_size == 0:
        reason = 'the file is empty'
    elif isinstance(error, UnidentifiedImageError):
        reason = 'not an image in a known format'
    else:
        reason = ' '.join(str(error).split()) or type(error).__name__
    return ImageFileError(f'{path}: image cannot be decoded ({reason}); replace or remove the file')


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8. A PNG is asked only for what stands before its pixels."""
    if image.format == 'PNG' and 'exif' not in image.info:
        return 1
    value = image.getexif().get(_EXIF_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _is_deep(image: Image.Image, data: bytes) -> bool:
    if image.format == 'PNG':
        return data[24] == 16
    if image.format == 'TIFF':
        bits = image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, 1)  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return image.mode.startswith(('I', 'F'))


def _decode_8bit(image: Image.Image) -> NDArray[np.uint8]:
    # Pillow turns TIFF upright by itself, and its exif afterwards says nothing of it.
    orientation = 1 if image.format == 'TIFF' else _orientation(image)
    image.load()
    grey = image.mode in ('1', 'L', 'LA', 'La')
    mode = 'L' if grey else 'RGB'
    width, height = image.size
    pixels = np.empty((height, width) if grey else (height, width, 3), np.uint8)
    for top in range(0, height, _ROWS):
        rows = image.crop((0, top, width, min(top + _ROWS, height)))
        part = np.asarray(rows if rows.mode == mode else rows.convert(mode))
        pixels[top : top + _ROWS] = part if grey else cv2.cvtColor(part, cv2.COLOR_RGB2BGR)
    return _upright(pixels, orientation)


def _decode_deep(image: Image.Image, data: bytes) -> NDArray[Any]:
    """Decode with OpenCV: Pillow cuts 16-bit colour to 8 bits."""
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f'OpenCV: {error.err}') from error
    if pixels is None:
        raise ValueError('truncated or damaged')
    if pixels.dtype != np.uint16:
        raise ValueError(f'{pixels.dtype} pixels; store the image with 8 or 16 bits')
    # OpenCV turns TIFF upright whatever the flags say.
    return _upright(pixels, 1 if image.format == 'TIFF' else _orientation(image))


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an EXIF orientation (CIPA DC-008, tag 274)."""
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
