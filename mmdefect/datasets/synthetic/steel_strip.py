"""One strip with its defects, and their masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdefect.datasets.synthetic.sample_images import SampleImage
from mmdefect.datasets.synthetic.steel_defects import draw_defect
from mmdefect.datasets.synthetic.steel_level import SteelLevel
from mmdefect.datasets.synthetic.steel_surface import STRIP_SIZE, Coil, draw_surface

__all__ = ['draw_strip']

_TRIES = 40
# Between defects, so that they are two components.
_GAP = 8


def draw_strip(
    rng: np.random.Generator,
    coil: Coil,
    defects: Sequence[tuple[str, float]],
    level: SteelLevel,
) -> SampleImage:
    """Draw a strip.

    Args:
        rng (np.random.Generator): Source of randomness.
        coil (Coil): The coil it is of.
        defects (Sequence[tuple[str, float]]): Class name and size, 0 to 1, of each defect.
        level (SteelLevel): Level of difficulty.

    Returns:
        SampleImage: Grey picture of 1600 x 256 pixels, a tight box per defect, a mask per class
        and, for COCO, the run lengths of each defect's own mask.

    Example:
        >>> from mmdefect.datasets.synthetic.steel_level import LEVELS
        >>> from mmdefect.datasets.synthetic.steel_surface import invent_coil
        >>> rng = np.random.default_rng(0)
        >>> coil = invent_coil(rng, LEVELS['easy'])
        >>> strip = draw_strip(rng, coil, [('scratch', 0.5)], LEVELS['easy'])
        >>> strip.image.shape, strip.labels
        ((256, 1600), ('scratch',))
    """
    image, steel = draw_surface(rng, coil, level)
    free = steel.copy()
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[str] = []
    extras: list[dict[str, object]] = []
    masks: dict[str, NDArray[np.bool_]] = {}
    for label, size in defects:
        contrast = float(rng.uniform(*level.contrast))
        for attempt in range(_TRIES):
            # A crowded strip gets smaller defects, never none.
            shrunk = size * (1 - attempt / (_TRIES - 1))
            mask, change = draw_defect(rng, label, shrunk, contrast, level.size)
            height, width = mask.shape
            x = int(rng.integers(0, STRIP_SIZE[0] - width + 1))
            y = int(rng.integers(0, STRIP_SIZE[1] - height + 1))
            window = slice(y, y + height), slice(x, x + width)
            if free[window].all():
                break
        else:
            raise ValueError(f'defects must fit on a strip, got {defects}')
        image[window] *= np.clip(1 + change, 0.05, 2.5)
        free[max(y - _GAP, 0) : y + height + _GAP, max(x - _GAP, 0) : x + width + _GAP] = False
        own = np.zeros(image.shape, np.uint8, order='F')
        own[window] = mask
        masks[label] = masks.get(label, False) | own.astype(bool)
        runs = coco_mask.encode(own)
        extras.append(
            {
                'area': int(mask.sum()),
                'segmentation': {'size': runs['size'], 'counts': runs['counts'].decode()},
            }
        )
        boxes.append((x, y, x + width, y + height))
        labels.append(label)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    soft = cv2.GaussianBlur(image, (0, 0), 0.6)
    pixels = soft * 255 + noise * np.float32(rng.uniform(*level.noise))
    return SampleImage(
        image=np.asarray(np.clip(pixels.round(), 0, 255), np.uint8),
        boxes=np.array(boxes, np.int64).reshape(-1, 4),
        labels=tuple(labels),
        masks=masks,
        box_extra=tuple(extras),
    )
