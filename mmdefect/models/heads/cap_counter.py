"""Caps on the number of boxes, and how often they cut."""

from __future__ import annotations

import logging
from collections import Counter

from mmengine.logging import print_log

__all__ = ['CapCounter']


class CapCounter:
    """Counts the boxes that caps cut, and says so once for each cap.

    Args:
        component (str): Name in the message.

    Attributes:
        boxes (Counter): Boxes cut so far, by cap.
        images (Counter): Images that lost boxes to it, or their levels where the cap is one of
            each level.
        limits (dict[str, int]): Values of the caps that have cut.

    Example:
        >>> counter = CapCounter('SharedTowerHead')
        >>> counter.note('max_per_img', limit=300, found=280, image='1.jpg')
        >>> counter.boxes['max_per_img']
        0
    """

    def __init__(self, component: str) -> None:
        self.component = component
        self.boxes: Counter[str] = Counter()
        self.images: Counter[str] = Counter()
        self.limits: dict[str, int] = {}
        self._said: set[str] = set()

    def reset(self) -> None:
        """Count from zero; what was said is not said again."""
        self.boxes.clear()
        self.images.clear()
        self.limits.clear()

    def note(self, cap: str, limit: int, found: int, image: object) -> None:
        """Count what a cap cuts from an image.

        Args:
            cap (str): Key in ``test_cfg``.
            limit (int): Its value.
            found (int): Boxes before the cut.
            image (object): Name of the image, for the message.
        """
        if found <= limit:
            return
        if cap not in self._said:
            self._said.add(cap)
            print_log(
                f'{self.component}: test_cfg.{cap}={limit} cuts {found - limit} of {found} boxes '
                f'of {image}; raise it if they count. Further cuts are counted (mmdefect.'
                'CapCountHook logs the sum)',
                logger='current',
                level=logging.WARNING,
            )
        self.limits[cap] = limit
        self.boxes[cap] += found - limit
        self.images[cap] += 1
