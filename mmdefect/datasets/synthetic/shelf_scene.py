"""A shelf from the front: boards with price labels, rows of products that touch."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.shelf_level import ShelfLevel
from mmdefect.datasets.synthetic.shelf_products import (
    Product,
    draw_product,
    invent_product,
    vary_product,
)

__all__ = ['MARGIN', 'Shelf', 'build_shelf']

Image = NDArray[np.float32]

# How much more of the shelf there is than a photo of it shows, per side.
MARGIN = 0.14
# Products per shelf in a photo, over the square of its rows and its width / height.
_DENSITY = 2.9
# Shares of a row's height.
_BOARD, _HEADROOM = 0.12, 0.06
_BOARDS = ((0.93, 0.93, 0.92), (0.72, 0.73, 0.74), (0.28, 0.27, 0.27), (0.42, 0.58, 0.72))
_LABELS = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.25, 0.9, 1.0), (0.2, 0.2, 0.85))


@dataclass(eq=False)
class Shelf:
    """A shelf without perspective.

    Args:
        image (Image): BGR, about 0 to 1, shape (h, w, 3).
        outlines (list[NDArray[np.float32]]): Hull of each product, pixels ``(x, y)``, shape
            (K, 2).

    Example:
        >>> Shelf(np.zeros((2, 3, 3), np.float32)).outlines
        []
    """

    image: Image
    outlines: list[NDArray[np.float32]] = field(default_factory=list)


def build_shelf(rng: np.random.Generator, level: ShelfLevel, products: float) -> Shelf:
    """Fill a shelf.

    Args:
        rng (np.random.Generator): Source of randomness.
        level (ShelfLevel): Level of difficulty.
        products (float): About how many products a photo is to show.

    Returns:
        Shelf: It; larger than a photo by :data:`MARGIN` on every side.

    Example:
        >>> from mmdefect.datasets.synthetic.shelf_level import LEVELS
        >>> shelf = build_shelf(np.random.default_rng(0), LEVELS['easy'], 80)
        >>> shelf.image.shape, len(shelf.outlines) > 80
        ((492, 655, 3), True)
    """
    width, height = (round(side * (1 + 2 * MARGIN)) for side in level.size)
    rows = np.sqrt(products * level.size[1] / level.size[0] / _DENSITY)
    row_height = level.size[1] / max(rows, 1.0)
    back = np.array(rng.uniform(0.06, 0.2) * np.ones(3) + rng.uniform(0, 0.03, 3), np.float32)
    shelf = Shelf(np.tile(back, (height, width, 1)))
    board = np.array(_BOARDS[int(rng.integers(len(_BOARDS)))], np.float32)
    top = -row_height * rng.uniform(0, 0.9)
    product = invent_product(rng)
    while top < height:
        row = _Row(top, row_height * rng.uniform(0.92, 1.08))
        _draw_board(rng, shelf.image, row, board)
        product = _fill_row(rng, shelf, row, level, product)
        _shadow(shelf.image, row)
        top += row.height
    for _ in range(int(rng.integers(level.signs[0], level.signs[1] + 1))):
        _hang_sign(rng, shelf.image, row_height)
    return shelf


@dataclass(frozen=True)
class _Row:
    top: float
    height: float

    @property
    def floor(self) -> int:
        """Where products stand."""
        return round(self.top + self.height * (1 - _BOARD))

    @property
    def room(self) -> float:
        """Height between the boards."""
        return self.height * (1 - _BOARD - _HEADROOM)


def _draw_board(rng: np.random.Generator, image: Image, row: _Row, colour: Image) -> None:
    top, foot = max(row.floor, 0), max(round(row.top + row.height), 0)
    strip = image[top:foot]
    if strip.size:
        fall = np.linspace(1.0, 0.72, len(strip), dtype=np.float32)[:, None, None]
        grain = 1 + 0.02 * rng.standard_normal((1, strip.shape[1], 1), dtype=np.float32)
        strip[:] = colour * fall * grain
        strip[:1] *= 1.1
        strip[-1:] *= 0.5


def _fill_row(
    rng: np.random.Generator, shelf: Shelf, row: _Row, level: ShelfLevel, product: Product
) -> Product:
    """Place facings of one product after the other; returns the last product."""
    width = shelf.image.shape[1]
    x = -row.height * rng.uniform(0, 0.5)
    while x < width:
        variant = rng.random() < level.variants
        product = vary_product(rng, product) if variant else invent_product(rng)
        stacked = product.kind in ('carton', 'can', 'jar') and rng.random() < 0.3
        tall = row.room * (rng.uniform(0.43, 0.5) if stacked else rng.uniform(0.62, 1.0))
        size = (max(6, round(tall * product.aspect)), max(8, round(tall)))
        body = _Body(draw_product(product, size))
        facings = int(rng.integers(1, 7))
        _draw_label(rng, shelf.image, row, x, facings * size[0])
        for _ in range(facings):
            levels = 2 if stacked and rng.random() < 0.9 else 1
            if rng.random() >= level.gaps:
                for storey in range(levels):
                    body.place(rng, shelf, round(x), row.floor - storey * size[1])
            # Neighbours touch, or nearly.
            x += size[0] + int(rng.integers(0, 2))
        x += int(rng.integers(0, 4))
    return product


class _Body:
    """A drawn product, ready to be pasted: its shadow and its outline are the same each time."""

    def __init__(self, sprite: Image) -> None:
        self.paint = sprite[..., :3]
        self.cover = sprite[..., 3:]
        # A narrow shadow beside the body parts it from its neighbour.
        around = cv2.GaussianBlur(np.ascontiguousarray(sprite[..., 3]), (0, 0), 1.2)[..., None]
        self.keep = 1 - 0.55 * np.clip(around - self.cover, 0, 1)
        inside = np.argwhere(sprite[..., 3] > 0.5)[:, ::-1]
        corners = np.concatenate([inside + corner for corner in ([0, 0], [1, 0], [0, 1], [1, 1])])
        self.hull = cv2.convexHull(corners.astype(np.float32))[:, 0]

    def place(self, rng: np.random.Generator, shelf: Shelf, left: int, floor: int) -> None:
        """Paste it and keep its outline."""
        height, width = self.cover.shape[:2]
        top = floor - height
        window = shelf.image[max(top, 0) : max(floor, 0), max(left, 0) : max(left + width, 0)]
        if not window.size:
            return
        rows, columns = (
            slice(max(-low, 0), max(-low, 0) + size)
            for low, size in zip((top, left), window.shape[:2], strict=True)
        )
        light = np.float32(rng.uniform(0.88, 1.08))
        window *= self.keep[rows, columns]
        window += (self.paint[rows, columns] * light - window) * self.cover[rows, columns]
        shelf.outlines.append(self.hull + np.array([left, top], np.float32))


def _draw_label(rng: np.random.Generator, image: Image, row: _Row, x: float, room: float) -> None:
    """A price label on the edge of the board."""
    height = 0.75 * _BOARD * row.height
    width = height * rng.uniform(1.5, 2.2)
    left = round(x + rng.uniform(0, max(room - width, 1)))
    top = round(row.floor + 0.12 * _BOARD * row.height)
    colour = _LABELS[int(rng.integers(len(_LABELS)))]
    right, foot = left + round(width), top + round(height)
    cv2.rectangle(image, (left, top), (right, foot), colour, -1)
    ink = (0.1, 0.1, 0.1) if sum(colour) > 1.5 else (1.0, 1.0, 1.0)
    price = f'{int(rng.integers(1, 20))}.{int(rng.integers(10))}9'
    (unit, _), _ = cv2.getTextSize(price, cv2.FONT_HERSHEY_PLAIN, 1.0, 1)
    at = (left + round(0.08 * width), foot - max(1, round(0.25 * height)))
    scale = 0.84 * width / unit
    cv2.putText(image, price, at, cv2.FONT_HERSHEY_PLAIN, scale, ink, 1, cv2.LINE_AA)


def _shadow(image: Image, row: _Row) -> None:
    """The board above darkens the upper part of a row."""
    top, floor = max(round(row.top), 0), max(row.floor, 0)
    strip = image[top:floor]
    share = (np.arange(top, top + len(strip), dtype=np.float32) - row.top) / row.height
    strip *= (1 - 0.55 * np.exp(-share / 0.13))[:, None, None]


def _hang_sign(rng: np.random.Generator, image: Image, row_height: float) -> None:
    """A sign of the shop in front of the products, smaller than one of them."""
    side = 0.3 * row_height * rng.uniform(0.6, 1.0)
    x, y = rng.uniform(0, image.shape[1]), rng.uniform(0, image.shape[0])
    colour = _LABELS[int(rng.integers(2, 4))]
    cv2.circle(image, (round(x), round(y)), round(side / 2), colour, -1, cv2.LINE_AA)
    cv2.circle(image, (round(x), round(y)), round(0.42 * side), (1.0, 1.0, 1.0), 1, cv2.LINE_AA)
