"""Random changes of light and colour that leave every pixel in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmdefect.datasets.transforms.tone_curves import (
    auto_contrast,
    brightness,
    contrast,
    equalize,
    posterize,
    sharpness,
)
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import TRANSFORMS

__all__ = ['ColourSpace']


@TRANSFORMS.register_module()
class ColourSpace(BaseTransform):
    """Draw ``aug_num`` of six operations, and apply each with its own probability.

    The operations are drawn evenly, each at most once; with the defaults 42 % of the images stay
    as they are. Factors mean what they mean in Pillow: 1.0 leaves the image unchanged, less is
    darker, greyer or blurred, more is brighter, richer or sharper. Draws come from NumPy's global
    generator, which the data sets seed per item.

    Required keys: ``img`` ((h, w), (h, w, 1) or (h, w, 3) BGR; uint8, or float32 in 0..255 as
    ``mmdefect.LoadImage`` makes it of deep images). Modified keys: ``img`` (same type and shape).
    Added keys: ``colour_space``, the operations applied with their value, as ``(name, value)``.

    Args:
        aug_num (int): Operations drawn per image, 1 to 6. Default 1.
        auto_contrast_prob (float): Probability of stretching each channel to 0..255. Default 0.6.
        equalize_prob (float): Probability of an even histogram in each channel. Default 0.5.
        brightness_prob (float): Default 0.8.
        brightness_range (Sequence[float]): Lowest and highest factor. Default (0.7, 1.4).
        contrast_prob (float): Default 0.8.
        contrast_range (Sequence[float]): Lowest and highest factor. Default (0.7, 1.5).
        sharpness_prob (float): Default 0.5.
        sharpness_range (Sequence[float]): Lowest and highest factor. Default (0.7, 2.0).
        posterize_prob (float): Default 0.3.
        posterize_bits (Sequence[int]): Fewest and most bits kept, 1 to 8. Default (4, 7).
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or a value out of range here; on use, an image of another type
            or number of channels, such as raw 16 bits.

    Source:
        E. Cubuk et al., "RandAugment: practical automated data augmentation with a reduced
        search space", CVPR workshops 2020, with fixed ranges.

    Example:
        >>> np.random.seed(1)
        >>> brighter = ColourSpace(brightness_range=(1.2, 1.2))
        >>> sample = brighter({'img': np.full((2, 2, 3), 100, np.uint8)})
        >>> sample['colour_space'], int(sample['img'].min())
        ([('brightness', 1.2)], 120)
        >>> ColourSpace(brightness=0.8)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: ColourSpace: unknown key 'brightness'; did you mean
        'brightness_prob'?
    """

    def __init__(
        self,
        aug_num: int = 1,
        auto_contrast_prob: float = 0.6,
        equalize_prob: float = 0.5,
        brightness_prob: float = 0.8,
        brightness_range: Sequence[float] = (0.7, 1.4),
        contrast_prob: float = 0.8,
        contrast_range: Sequence[float] = (0.7, 1.5),
        sharpness_prob: float = 0.5,
        sharpness_range: Sequence[float] = (0.7, 2.0),
        posterize_prob: float = 0.3,
        posterize_bits: Sequence[int] = (4, 7),
        **unknown: Any,
    ) -> None:
        self.settings = {
            'aug_num': aug_num,
            'auto_contrast_prob': auto_contrast_prob,
            'equalize_prob': equalize_prob,
            'brightness_prob': brightness_prob,
            'brightness_range': tuple(brightness_range),
            'contrast_prob': contrast_prob,
            'contrast_range': tuple(contrast_range),
            'sharpness_prob': sharpness_prob,
            'sharpness_range': tuple(sharpness_range),
            'posterize_prob': posterize_prob,
            'posterize_bits': tuple(posterize_bits),
        }
        reject_unknown_keys('ColourSpace', unknown, self.settings)
        for key, value in self.settings.items():
            _check(key, value)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change the image of a sample.

        Args:
            results (dict): A sample with ``img``.

        Returns:
            dict: The same sample with a new image.

        Raises:
            InputError: The image is of another type or number of channels.
        """
        image = results['img']
        channels = image.shape[2] if image.ndim == 3 else 1
        if image.dtype not in (np.uint8, np.float32) or image.ndim > 3 or channels not in (1, 3):
            raise InputError(
                f'ColourSpace: image must be uint8, or float32 in 0..255, with 1 or 3 channels, '
                f'got {image.dtype} of shape {image.shape} for {results.get("img_path")}; load '
                'deep images with mmdefect.LoadImage(bit_depth=...)'
            )
        applied: list[tuple[str, Any]] = []
        for name in np.random.choice(tuple(_OPERATIONS), self.settings['aug_num'], replace=False):
            if np.random.random() >= self.settings[f'{name}_prob']:
                continue
            value = self._draw(name)
            image = _OPERATIONS[name](image, *(() if value is None else (value,)))
            applied.append((str(name), value))
        results['img'] = image
        results['colour_space'] = applied
        return results

    def _draw(self, name: str) -> float | int | None:
        if name == 'posterize':
            low, high = self.settings['posterize_bits']
            return int(np.random.randint(low, high + 1))
        if f'{name}_range' in self.settings:
            return float(np.random.uniform(*self.settings[f'{name}_range']))
        return None

    def __repr__(self) -> str:
        """As in a config."""
        return f'ColourSpace({", ".join(f"{k}={v}" for k, v in self.settings.items())})'


_OPERATIONS = {
    'auto_contrast': auto_contrast,
    'equalize': equalize,
    'brightness': brightness,
    'contrast': contrast,
    'sharpness': sharpness,
    'posterize': posterize,
}


def _check(key: str, value: Any) -> None:
    if key == 'aug_num':
        good = isinstance(value, int) and 1 <= value <= len(_OPERATIONS)
        wanted = f'a whole number, 1 to {len(_OPERATIONS)}'
    elif key.endswith('_prob'):
        good, wanted = 0 <= value <= 1, '0 to 1'
    elif key == 'posterize_bits':
        good = len(value) == 2 and all(isinstance(bits, int) for bits in value)
        good = good and 1 <= value[0] <= value[1] <= 8
        wanted = '(fewest, most) bits, whole numbers, 1 to 8'
    else:
        good = len(value) == 2 and 0 <= value[0] <= value[1] < np.inf
        wanted = '(lowest, highest) factor, 0 or more; 1.0 is unchanged'
    if not good:
        raise InputError(f'ColourSpace: {key} must be {wanted}, got {value!r}')
