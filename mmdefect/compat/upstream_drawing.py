"""MMDetection's drawings of 16-bit images: upstream shifts their values, which makes them black."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import cv2
import numpy as np

__all__ = ['DeepImages', 'teach_drawing']


class DeepImages:
    """``mmcv`` for one module: its ``imfrombytes`` brings 16-bit images into 8 bits.

    Values are scaled by the fewest of 10, 12, 14 and 16 bits that hold the brightest pixel: good
    enough to draw on, never to compute with. Everything else is mmcv's own.

    Args:
        mmcv (ModuleType): The module that it stands for.

    Example:
        >>> import mmcv
        >>> deep = np.full((2, 2), 4095, np.uint16)
        >>> code = cv2.imencode('.png', deep)[1].tobytes()
        >>> int(mmcv.imfrombytes(code).max()), int(DeepImages(mmcv).imfrombytes(code).max())
        (15, 255)
    """

    def __init__(self, mmcv: ModuleType) -> None:
        self._mmcv = mmcv

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == '_mmcv':
            raise AttributeError(name)
        return getattr(self._mmcv, name)

    def imfrombytes(
        self, content: bytes, flag: str = 'color', channel_order: str = 'bgr', **kwargs: Any
    ) -> np.ndarray:
        """Decode an image.

        Args:
            content (bytes): The file.
            flag (str): As in mmcv. Default ``color``.
            channel_order (str): ``bgr`` or ``rgb``. Default ``bgr``.
            **kwargs: As in mmcv.

        Returns:
            np.ndarray: As from mmcv; uint8, (h, w, 3), for a 16-bit file read in colour.
        """
        if flag == 'color':
            code = np.frombuffer(content, np.uint8)
            image = cv2.imdecode(code, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
            if image is not None and image.dtype == np.uint16:
                image = _to_8_bits(image)
                return image[..., ::-1] if channel_order == 'rgb' else image
        return self._mmcv.imfrombytes(content, flag=flag, channel_order=channel_order, **kwargs)


def _to_8_bits(image: np.ndarray) -> np.ndarray:
    brightest = int(image.max(initial=0))
    limit = next(2**bits - 1 for bits in (10, 12, 14, 16) if brightest < 2**bits)
    return np.rint(image * np.float32(255 / limit)).astype(np.uint8)


def teach_drawing(module: ModuleType) -> None:
    """Let a module of MMDetection draw on 16-bit images.

    Args:
        module (ModuleType): ``mmdet.engine.hooks.visualization_hook`` or
            ``mmdet.apis.det_inferencer``.

    Example:
        >>> import mmdet.engine.hooks.visualization_hook as module
        >>> teach_drawing(module)
        >>> type(module.mmcv).__name__
        'DeepImages'
    """
    if not isinstance(module.mmcv, DeepImages):
        module.mmcv = DeepImages(module.mmcv)
