"""Score thresholds of pseudo labels, one per class and loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import MODELS

__all__ = ['ClassThresholds']


@MODELS.register_module()
class ClassThresholds(nn.Module):
    """Fixed thresholds: which of the teacher's boxes feed which loss.

    A score >= threshold counts. The teacher's boxes above the smallest of the thresholds are
    kept. Of these, ``initial`` selects the candidates of the box-regression loss (beside the
    limit of uncertainty), ``cls`` those of the classification loss of RoIs or, with a one-stage
    detector, of anchors, and ``rpn`` those of both RPN losses.

    Args:
        classes (Sequence[str]): Class names in the order of the labels.
        two_stage (bool): Whether the detector has an RPN; the soft teacher fills this in.
        initial (float | Mapping[str, float]): One number, or one per class: a mapping from class
            name, where ``'default'`` stands for all others. In (0, 1). Default 0.4.
        cls (float | Mapping[str, float]): The same. Default 0.35.
        rpn (float | Mapping[str, float] | None): The same. Default None: 0.35 for a two-stage
            detector; a one-stage detector has none.

    Raises:
        InputError: A key or class is unknown, a class has no threshold, a threshold lies outside
            (0, 1), or ``rpn`` is given for a one-stage detector.

    Example:
        >>> thresholds = ClassThresholds(['dent', 'rust'], True, cls={'rust': 0.2, 'default': 0.5})
        >>> thresholds.of('cls').tolist(), thresholds.lowest().tolist()
        ([0.5, 0.2...], [0.34..., 0.2...])
    """

    def __init__(
        self,
        classes: Sequence[str],
        two_stage: bool,
        initial: float | Mapping[str, float] = 0.4,
        cls: float | Mapping[str, float] = 0.35,
        rpn: float | Mapping[str, float] | None = None,
        **unknown: Any,
    ) -> None:
        reject_unknown_keys(type(self).__name__, unknown, ('initial', 'cls', 'rpn'))
        super().__init__()
        if rpn is not None and not two_stage:
            raise InputError(
                f'{type(self).__name__}: rpn={rpn!r}, but a one-stage detector has no RPN; '
                'remove the key'
            )
        given = {'initial': initial, 'cls': cls}
        if two_stage:
            given['rpn'] = 0.35 if rpn is None else rpn
        self.classes = tuple(classes)
        self.losses = tuple(given)
        rows = [self._per_class(name, value) for name, value in given.items()]
        # What the config says is not part of a checkpoint.
        self.register_buffer('fixed', torch.tensor(rows), persistent=False)

    def of(self, loss: str) -> Tensor:
        """Thresholds in force.

        Args:
            loss (str): ``'initial'``, ``'cls'`` or ``'rpn'``.

        Returns:
            Tensor: One per class, float32, shape (C,).
        """
        return self.fixed[self.losses.index(loss)]

    def lowest(self) -> Tensor:
        """The smallest threshold in force of each class.

        Returns:
            Tensor: float32, shape (C,).
        """
        return torch.stack([self.of(loss) for loss in self.losses]).amin(0)

    def bottom(self) -> Tensor:
        """How low the smallest threshold of each class can ever go.

        Returns:
            Tensor: float32, shape (C,).
        """
        return self.lowest()

    def observe(self, scores: Tensor, labels: Tensor) -> None:
        """Take note of the teacher's scores; fixed thresholds do not.

        Args:
            scores (Tensor): Scores, shape (K,).
            labels (Tensor): Labels, int64, shape (K,).
        """

    def advance(self) -> None:
        """Begin an iteration: the only moment at which thresholds change; fixed ones do not."""

    def _per_class(self, key: str, value: float | Mapping[str, float]) -> list[float]:
        where = f'{type(self).__name__}: {key}'
        if not isinstance(value, Mapping):
            value = {'default': value}
        reject_unknown_keys(where, value, (*self.classes, 'default'))
        missing = [name for name in self.classes if name not in value]
        if missing and 'default' not in value:
            raise InputError(
                f'{where} has no threshold for class {missing[0]!r}; '
                "add it, or 'default' for all others"
            )
        found = [value.get(name, value.get('default')) for name in self.classes]
        for threshold in found:
            if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
                raise InputError(f'{where} must be numbers in (0, 1), got {threshold!r}')
            if not 0 < threshold < 1:
                raise InputError(f'{where} must be in (0, 1), got {threshold}')
        return [float(threshold) for threshold in found]
