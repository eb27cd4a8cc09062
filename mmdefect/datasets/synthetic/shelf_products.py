"""Products of a shelf as pictures with transparency: cartons, cans, bottles, jars, pouches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.textures import fractal_noise

__all__ = ['ASPECTS', 'Product', 'draw_product', 'invent_product', 'vary_product']

Image = NDArray[np.float32]
Colour = tuple[float, float, float]

# Width / height: smallest and largest.
ASPECTS = {
    'carton': (0.50, 0.85),
    'can': (0.50, 0.62),
    'bottle': (0.27, 0.36),
    'jar': (0.60, 0.80),
    'pouch': (0.60, 0.85),
}
# Outline: half of the width, as a share of all of it, at heights from the top (0) to the foot (1).
_OUTLINES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    'carton': ((0, 1), (0.5, 0.5)),
    'can': ((0, 0.03, 0.07, 0.95, 1), (0.42, 0.45, 0.5, 0.5, 0.45)),
    'bottle': (
        (0, 0.09, 0.1, 0.2, 0.26, 0.33, 0.4, 0.97, 1),
        (0.2, 0.2, 0.16, 0.17, 0.27, 0.43, 0.5, 0.5, 0.46),
    ),
    'jar': ((0, 0.15, 0.16, 0.2, 0.96, 1), (0.46, 0.46, 0.42, 0.5, 0.5, 0.44)),
    'pouch': ((0, 0.06, 0.2, 0.6, 0.95, 1), (0.47, 0.46, 0.48, 0.5, 0.49, 0.47)),
}
_ROUND = ('can', 'bottle', 'jar')
# Rows of the printed panel, as shares of the height.
_PANELS = {
    'carton': (0.0, 1.0),
    'can': (0.08, 0.94),
    'bottle': (0.48, 0.84),
    'jar': (0.3, 0.9),
    'pouch': (0.08, 0.95),
}
_OVERSAMPLING = 3
_SYLLABLES = ('BA', 'CO', 'DI', 'FE', 'KA', 'LU', 'MI', 'NO', 'PRA', 'RI', 'SO', 'TU', 'VEL', 'ZO')


@dataclass(frozen=True)
class Product:
    """What makes one product look different from the next.

    Args:
        kind (str): A key of :data:`ASPECTS`.
        aspect (float): Width / height.
        base (Colour): Colour of the body, BGR, 0 to 1.
        panel (Colour): Colour of the printed panel.
        accent (Colour): Colour of bands, logo and cap.
        word (str): What is printed on it.
        layout (int): How it is printed, from 0.
        seed (int): Seed of the details.

    Example:
        >>> invent_product(np.random.default_rng(0)).kind in ASPECTS
        True
    """

    kind: str
    aspect: float
    base: Colour
    panel: Colour
    accent: Colour
    word: str
    layout: int
    seed: int


def invent_product(rng: np.random.Generator) -> Product:
    """Make up a product.

    Args:
        rng (np.random.Generator): Source of randomness.

    Returns:
        Product: It.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> invent_product(rng) == invent_product(rng)
        False
    """
    kind = str(rng.choice(list(ASPECTS), p=(0.34, 0.16, 0.22, 0.12, 0.16)))
    low, high = ASPECTS[kind]
    return Product(
        kind=kind,
        aspect=float(rng.uniform(low, high)),
        base=_colour(rng),
        panel=_colour(rng),
        accent=_colour(rng),
        word=''.join(rng.choice(_SYLLABLES, int(rng.integers(2, 4)))),
        layout=int(rng.integers(4)),
        seed=int(rng.integers(2**31)),
    )


def vary_product(rng: np.random.Generator, product: Product) -> Product:
    """Make up another flavour of a product: the same shape and print, another accent.

    Args:
        rng (np.random.Generator): Source of randomness.
        product (Product): The product.

    Returns:
        Product: The other flavour.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> product = invent_product(rng)
        >>> vary_product(rng, product).word == product.word
        True
    """
    accent = _colour(rng)
    return replace(product, accent=accent, panel=accent if rng.random() < 0.3 else product.panel)


def _colour(rng: np.random.Generator) -> Colour:
    """Colours of packages: mostly saturated, some white, some dark."""
    hue, kind = float(rng.uniform(0, 180)), rng.random()
    if kind < 0.15:
        saturation, value = rng.uniform(0, 0.15), rng.uniform(0.85, 1)
    elif kind < 0.25:
        saturation, value = rng.uniform(0.2, 0.8), rng.uniform(0.12, 0.3)
    else:
        saturation, value = rng.uniform(0.45, 0.95), rng.uniform(0.45, 0.95)
    hsv = np.array([[[hue * 2, saturation, value]]], np.float32)
    blue, green, red = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return (blue, green, red)


def draw_product(product: Product, size: tuple[int, int]) -> Image:
    """Draw a product from the front.

    Args:
        product (Product): The product.
        size (tuple[int, int]): ``(w, h)`` in pixels.

    Returns:
        Image: BGR and coverage, 0 to 1, shape (h, w, 4).

    Example:
        >>> draw_product(invent_product(np.random.default_rng(0)), (20, 30)).shape
        (30, 20, 4)
    """
    rng = np.random.default_rng(product.seed)
    width, height = size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING
    y: Image = np.asarray((np.arange(height) + 0.5)[:, None] / height, np.float32)
    x: Image = np.asarray((np.arange(width) + 0.5)[None] / width - 0.5, np.float32)
    half: Image = np.interp(y, *_OUTLINES[product.kind]).astype(np.float32)
    cover = (np.abs(x) <= half).astype(np.float32)
    paint = np.empty((height, width, 4), np.float32)
    paint[..., :3] = product.base
    _print(rng, paint, product, x, y)
    if product.kind in ('bottle', 'jar'):
        lid = y[:, 0] < (0.1 if product.kind == 'bottle' else 0.15)
        paint[lid, :, :3] = product.accent
    if product.kind == 'can':
        ends = (y[:, 0] < 0.07) | (y[:, 0] > 0.95)
        paint[ends, :, :3] = (0.75, 0.76, 0.78)
    paint[..., :3] *= _shade(rng, product.kind, x, y, half)[..., None]
    paint[..., 3] = cover
    # Outside the outline colours are not to be mixed in.
    paint[..., :3] *= cover[..., None]
    small = np.asarray(cv2.resize(paint, size, interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] /= np.maximum(small[..., 3:], 1e-3)
    return np.clip(small, 0, 1)


def _print(rng: np.random.Generator, paint: Image, product: Product, x: Image, y: Image) -> None:
    """The panel, a band, a logo and a word, all of them round the body where it is round."""
    height, width = paint.shape[:2]
    top, foot = _PANELS[product.kind]
    panel = ((y > top) & (y < foot))[:, 0]
    if product.kind in _ROUND or product.layout < 2:
        paint[panel, :, :3] = product.panel
    span = foot - top
    band = top + span * rng.uniform(0.05, 0.75)
    if product.layout % 2 == 0:
        paint[((y > band) & (y < band + 0.16 * span))[:, 0], :, :3] = product.accent
    else:
        slope = rng.uniform(-0.5, 0.5)
        stripe = np.abs(y - top - span * (0.5 + slope * x)) < 0.09 * span
        paint[stripe & panel[:, None], :3] = product.accent
    layer = np.ascontiguousarray(paint[..., :3])
    centre = (
        int(width * rng.uniform(0.4, 0.6)),
        int(height * (top + span * rng.uniform(0.5, 0.75))),
    )
    axes = (int(width * rng.uniform(0.14, 0.3)), int(height * span * rng.uniform(0.08, 0.16)))
    logo = tuple(
        0.5 * value + 0.5 * other for value, other in zip(product.accent, product.base, strict=True)
    )
    cv2.ellipse(layer, centre, axes, 0, 0, 360, logo, -1, cv2.LINE_AA)
    ink = (1.0, 1.0, 1.0) if sum(product.panel) < 1.6 else (0.05, 0.05, 0.1)
    _write(layer, product.word, height * (top + 0.32 * span), 0.8 * width, ink)
    for line in range(int(rng.integers(1, 4))):
        row = int(height * (top + span * (0.8 + 0.05 * line)))
        start, end = (int(width * share) for share in sorted(rng.uniform(0.12, 0.88, 2)))
        cv2.line(layer, (start, row), (end, row), ink, max(1, height // 90), cv2.LINE_AA)
    paint[..., :3] = layer


def _write(layer: Image, word: str, base: float, width: float, ink: Colour) -> None:
    font = cv2.FONT_HERSHEY_DUPLEX
    (unit, _), _ = cv2.getTextSize(word, font, 1.0, 2)
    scale = width / unit
    start = (int((layer.shape[1] - width) / 2), int(base))
    cv2.putText(layer, word, start, font, scale, ink, max(1, round(2.4 * scale)), cv2.LINE_AA)


def _shade(rng: np.random.Generator, kind: str, x: Image, y: Image, half: Image) -> Image:
    """How bright the body is: a cylinder, a flat front or crumpled foil."""
    if kind in _ROUND:
        across = np.clip(x / np.maximum(half, 1e-3), -1, 1)
        body = 0.45 + 0.55 * np.sqrt(1 - 0.92 * across**2)
        gloss = 0.35 * np.exp(-(((across + 0.45) / 0.13) ** 2))
        return np.asarray(body + gloss, np.float32)
    if kind == 'pouch':
        folds = fractal_noise(rng, (y.shape[0], x.shape[1]), (4, 9, 18))
        seal = 0.15 * ((y < 0.06) | (y > 0.96))
        edge = 0.25 * (np.abs(x) / np.maximum(half, 1e-3)) ** 4
        return np.asarray(np.clip(0.95 + 0.13 * folds - seal - edge, 0.3, 1.4), np.float32)
    edges = (np.abs(x) > 0.475) | (y < 0.015) | (y > 0.985)
    slope = rng.uniform(-0.15, 0.15)
    return np.asarray(np.where(edges, 0.6, 0.95 + slope * x + 0.05 * (0.5 - y)), np.float32)
