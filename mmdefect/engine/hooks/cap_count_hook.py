"""What the caps on boxes cut in an evaluation, in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmdefect.errors import reject_unknown_keys
from mmdefect.models.heads.cap_counter import CapCounter
from mmdefect.registry import HOOKS
from mmdefect.wording import counted

__all__ = ['CapCountHook']


@HOOKS.register_module()
class CapCountHook(Hook):
    """Log after each validation and test how many boxes the caps of a head have cut.

    Heads that count are those with ``cuts``, as :class:`mmdefect.models.SharedTowerHead`. The
    counts of all ranks are added up; where nothing was cut, nothing is said.

    Args:
        **unknown: Refused.

    Example:
        >>> CapCountHook().priority
        'NORMAL'
    """

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('CapCountHook', unknown, ())

    def before_val_epoch(self, runner: Any) -> None:
        """Count from zero.

        Args:
            runner (Runner): The runner.
        """
        for _, counter in _counters(runner.model):
            counter.reset()

    before_test_epoch = before_val_epoch

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Log the counts.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Not used. Default None.
        """
        for name, counter in _counters(runner.model):
            boxes: Counter[str] = Counter()
            images: Counter[str] = Counter()
            limits: dict[str, int] = {}
            for of_rank in all_gather_object((counter.boxes, counter.images, counter.limits)):
                boxes.update(of_rank[0])
                images.update(of_rank[1])
                limits.update(of_rank[2])
            for cap, count in boxes.items():
                levels = ('level of images', 'levels of images')
                where = counted(images[cap], *(levels if cap == 'nms_pre' else ('image',)))
                runner.logger.warning(
                    f'{name}: test_cfg.{cap}={limits[cap]} cut {counted(count, "box", "boxes")} on '
                    f'{where} in this evaluation; raise it if they count'
                )

    after_test_epoch = after_val_epoch


def _counters(model: Any) -> Iterator[tuple[str, CapCounter]]:
    model = model.module if is_model_wrapper(model) else model
    for name, module in model.named_modules():
        if isinstance(getattr(module, 'cuts', None), CapCounter):
            yield f'model.{name}', module.cuts
