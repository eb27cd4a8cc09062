"""Where the tokens of a feature map lie: in part coordinates, or in those of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmdet.structures import DetDataSample
from numpy.typing import NDArray

from mmdefect.errors import InputError
from mmdefect.geometry import (
    as_homography,
    between_corners,
    compose_homographies,
    invert_homography,
    project_points,
)
from mmdefect.models.fusion.part_views import PartViews

__all__ = ['TokenPlaces', 'sinusoids', 'token_grid', 'token_places']


@dataclass(frozen=True, slots=True, eq=False)
class TokenPlaces:
    """Places of the tokens of one feature level.

    Args:
        xy (NDArray[np.float64]): Centres, shape (N, T, 2); see :func:`token_places`.
        inside (NDArray[np.bool_]): Whether the centre shows the image, not padding, shape (N, T).
        registered (NDArray[np.bool_]): Whether an image is registered to its part, shape (N,).

    Example:
        >>> TokenPlaces(np.zeros((1, 4, 2)), np.ones((1, 4), bool), np.ones(1, bool)).xy.shape
        (1, 4, 2)
    """

    xy: NDArray[np.float64]
    inside: NDArray[np.bool_]
    registered: NDArray[np.bool_]


def token_grid(height: int, width: int, tokens: int | None) -> tuple[int, int]:
    """Choose how many rows and columns of tokens a feature map is pooled to.

    Args:
        height (int): Rows of the feature map.
        width (int): Its columns.
        tokens (int | None): Most tokens; None for one per pixel of the feature map.

    Returns:
        tuple[int, int]: Rows and columns, in about the proportion of the feature map.

    Example:
        >>> token_grid(80, 80, 512), token_grid(10, 12, 512), token_grid(40, 160, 256)
        ((22, 23), (10, 12), (8, 32))
    """
    if tokens is None or height * width <= tokens:
        return height, width
    rows = min(height, tokens, max(1, int((tokens * height / width) ** 0.5)))
    columns = min(width, max(1, tokens // rows))
    return min(height, max(1, tokens // columns)) if columns == width else rows, columns


def token_places(
    samples: Sequence[DetDataSample],
    views: PartViews,
    grid: tuple[int, int],
    level_shape: tuple[int, int],
    input_shape: tuple[int, int],
    part_unit: float | None = None,
) -> TokenPlaces:
    """Place the tokens of one feature level.

    A token's centre in the network's input goes back through the image's ``homography_matrix`` to
    the original image. A view with ``part_homography`` is registered: from there it goes on to
    the part. All registered views of a part are divided by one length, so that the same place of
    the part has the same coordinates in each. Other views are divided by their own longer side.

    Args:
        samples (Sequence[DetDataSample]): One per image, with ``ori_shape`` and ``img_shape``
            (``(h, w)``), and ``homography_matrix`` and ``part_homography`` where they exist.
        views (PartViews): Their parts.
        grid (tuple[int, int]): Rows and columns of tokens.
        level_shape (tuple[int, int]): ``(h, w)`` of the feature map.
        input_shape (tuple[int, int]): ``(h, w)`` of the padded input, pixels.
        part_unit (float | None): The length, in the units of the part coordinates. Default None:
            the longest side of the part's views, as it maps to the part around their centres.

    Returns:
        TokenPlaces: Coordinates about 0 to 1 within one view.

    Raises:
        InputError: A homography is no invertible 3x3 matrix.

    Example:
        >>> sample = DetDataSample(metainfo=dict(ori_shape=(8, 16), img_shape=(8, 16)))
        >>> token_places([sample], PartViews([sample]), (1, 2), (2, 4), (8, 16)).xy.tolist()
        [[[0.25, 0.25], [0.75, 0.25]]]
    """
    rows, columns = (
        _centres(number, cells) * (pixels / cells)
        for number, cells, pixels in zip(grid, level_shape, input_shape, strict=True)
    )
    centres = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    xy = np.empty((len(samples), len(centres), 2))
    unit = np.empty(len(samples))
    registered = np.zeros(len(samples), bool)
    inside = np.empty(xy.shape[:2], bool)
    for index, sample in enumerate(samples):
        inside[index] = (centres < sample.img_shape[1::-1]).all(axis=1)
        back = invert_homography(_homography(sample, 'homography_matrix', np.eye(3)))
        unit[index] = max(sample.ori_shape[:2])
        if sample.get('part_homography') is not None:
            to_part = between_corners(_homography(sample, 'part_homography'))
            registered[index] = True
            unit[index] *= _local_scale(to_part, sample.ori_shape)
            back = compose_homographies(back, to_part)
        xy[index] = project_points(centres, back)
    unit[registered] = part_unit or _longest_of_part(unit * registered, views)[registered]
    # Beyond the horizon of a projective map there is no place.
    seen = np.isfinite(xy).all(axis=-1)
    xy = np.where(seen[..., None], xy, 0.0) / unit[:, None, None]
    return TokenPlaces(xy, inside & seen, registered)


def sinusoids(xy: NDArray[np.float64], channels: int) -> NDArray[np.float32]:
    """Encode places by sines and cosines.

    The product of two encodings depends on the distance of the places only and is largest where
    they agree. Wavelengths rise geometrically from 1/16 to 4.

    Args:
        xy (NDArray[np.float64]): Places, shape (..., 2).
        channels (int): A multiple of 4.

    Returns:
        NDArray[np.float32]: Shape (..., channels).

    Source:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5, in two dimensions.

    Example:
        >>> here, there = sinusoids(np.array([[0.3, 0.4], [0.8, 0.4]]), 32)
        >>> round(float(here @ here), 3), bool(here @ there < 12)
        (16.0, True)
    """
    number = channels // 4
    wavelengths = 4.0 * (1 / 64) ** (np.arange(number) / max(1, number - 1))
    angles = (xy[..., None] * (2 * np.pi / wavelengths)).reshape(*xy.shape[:-1], 2 * number)
    return np.concatenate([np.sin(angles), np.cos(angles)], -1).astype(np.float32)


def _centres(number: int, cells: int) -> NDArray[np.float64]:
    """Centres of the windows of an adaptive average pooling, in cells."""
    index = np.arange(number)
    return (index * cells // number - (-(index + 1) * cells // number)) / 2


def _homography(
    sample: DetDataSample, key: str, default: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    value = sample.get(key)
    if value is None and default is not None:
        return default
    try:
        return as_homography(value)
    except ValueError as error:
        raise InputError(f'{sample.get("img_path")}: {key}: {error}; correct it') from error


def _local_scale(matrix: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Lengths at the centre of an image, mapped over lengths in the image."""
    weight = matrix[2] @ [shape[1] / 2, shape[0] / 2, 1.0]
    return float(np.sqrt(abs(np.linalg.det(matrix) / weight**3)))


def _longest_of_part(lengths: NDArray[np.float64], views: PartViews) -> NDArray[np.float64]:
    """Of each image, the longest among the views of its part."""
    longest = np.zeros_like(lengths)
    of_part = (lengths[views.slots] * views.present).max(axis=1, keepdims=True)
    longest[views.slots] = np.broadcast_to(of_part, views.slots.shape)
    return longest
