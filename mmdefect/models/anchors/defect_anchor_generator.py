"""Anchors whose ratios say their order."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from mmdet.models.task_modules.prior_generators import AnchorGenerator
from torch.nn.modules.utils import _pair

from mmdefect.errors import InputError, strict_keys
from mmdefect.models.anchors.anchor_file import read_anchor_file
from mmdefect.registry import TASK_UTILS

__all__ = ['DefectAnchorGenerator']

_ORDERS = ('w/h', 'h/w')


@TASK_UTILS.register_module()
@strict_keys
class DefectAnchorGenerator(AnchorGenerator):
    """Anchors of several shapes and sizes at each place of each pyramid level.

    Takes the place of MMDetection's ``AnchorGenerator`` in RPN, RetinaNet and every other
    ``AnchorHead``, and gives the same numbers for the same shapes. Its ``ratios`` are height /
    width, while boxes are mostly described as width / height; a narrow defect of w/h .45 needs
    2.22 there. Here ``ratio_order`` says which it is, and has no default.

    An anchor of ratio r = w/h, scale s and base size b has ``w = b * s * sqrt(r)`` and
    ``h = b * s / sqrt(r)``, so its area does not depend on the ratio. At each place the ratios
    follow each other in the order given, the scales within each ratio.

    ``mmdefect anchors CONFIG --out anchors.json`` fits anchors to the boxes of a data set;
    ``anchor_file='anchors.json'`` then takes the place of ``strides``, ``ratios``,
    ``ratio_order``, ``scales``, ``base_sizes`` and ``centers``.

    Args:
        strides (Sequence[int] | Sequence[tuple[int, int]]): Image pixels between neighbouring
            places of each level, finest first; a pair is ``(w, h)``. Required without
            ``anchor_file``.
        ratios (Sequence[float]): Shapes of the anchors, each above 0. Required without
            ``anchor_file``.
        ratio_order (str): What ``ratios`` are: ``'w/h'`` or ``'h/w'``. There is no default.
        scales (Sequence[float] | None): Sizes of the anchors in base sizes, each above 0. Default
            None: given by the octave keys.
        base_sizes (Sequence[float] | None): Size of each level's anchors at scale 1, in image
            pixels. Default None: the strides.
        scale_major (bool): Scales within ratios; False: ratios within scales. Default True.
        octave_base_scale (float | None): RetinaNet's way to give ``scales``: the first of them.
            Default None.
        scales_per_octave (int | None): Scales from there to below twice as large, equally spaced
            in the logarithm. Default None.
        centers (Sequence[tuple[float, float]] | None): Centre ``(x, y)`` in image pixels of each
            level's anchors at the first place. Default None: given by ``center_offset``.
        center_offset (float): Centre of the anchors at the first place, as a share of the base
            size, 0 to 1; 0.5 is the middle of the cell where base sizes are strides. Default 0.
        use_box_type (bool): Return MMDetection's ``HorizontalBoxes`` instead of tensors. Default
            False.
        anchor_file (str | None): File of fitted anchors; of the other keys only
            ``use_box_type`` goes with it. Default None.

    Attributes:
        ratios (Tensor): Height / width, as in ``AnchorGenerator``, whatever the order given.
        ratio_order (str): The order given.
        anchor_file (str | None): The file given.

    Raises:
        InputError: A key is unknown, missing or out of range, or the lengths differ; or the file
            cannot be used, or other keys stand beside it.

    Source:
        Ren et al., "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal
        Networks", NeurIPS 2015, section 3.1.1.

    Example:
        >>> tall = DefectAnchorGenerator([16], [0.25], 'w/h', scales=[1])
        >>> tall.grid_priors([(1, 2)], device='cpu')[0].tolist()
        [[-4.0, -16.0, 4.0, 16.0], [12.0, -16.0, 20.0, 16.0]]
    """

    def __init__(
        self,
        strides: Sequence[Any] | None = None,
        ratios: Sequence[float] | None = None,
        ratio_order: str | None = None,
        scales: Sequence[float] | None = None,
        base_sizes: Sequence[float] | None = None,
        scale_major: bool = True,
        octave_base_scale: float | None = None,
        scales_per_octave: int | None = None,
        centers: Sequence[tuple[float, float]] | None = None,
        center_offset: float = 0.0,
        use_box_type: bool = False,
        anchor_file: str | None = None,
    ) -> None:
        name = type(self).__name__
        if anchor_file is not None:
            beside = {
                'strides': strides, 'ratios': ratios, 'ratio_order': ratio_order,
                'scales': scales, 'base_sizes': base_sizes, 'scale_major': not scale_major or None,
                'octave_base_scale': octave_base_scale, 'scales_per_octave': scales_per_octave,
                'centers': centers, 'center_offset': center_offset or None,
            }  # fmt: skip
            given = [key for key, value in beside.items() if value is not None]
            if given:
                raise InputError(
                    f'{name}: anchor_file states all anchors; remove {", ".join(given)} '
                    '(with _delete_=True where a base config has them)'
                )
            fitted = read_anchor_file(anchor_file)
            try:
                self.__init__(**fitted, use_box_type=use_box_type)  # type: ignore[misc]
            except InputError as error:
                raise InputError(f'{anchor_file}: {error}') from None
            self.anchor_file = anchor_file
            return
        if strides is None or ratios is None:
            missing = 'strides' if strides is None else 'ratios'
            raise InputError(f'{name}: key {missing!r} is missing; give it')
        if ratio_order not in _ORDERS:
            given = 'is missing' if ratio_order is None else f'cannot be {ratio_order!r}'
            raise InputError(
                f"{name}: ratio_order {given}; say 'w/h' (width / height) or 'h/w' (height / "
                'width, as in AnchorGenerator)'
            )
        octaves = [key for key in (octave_base_scale, scales_per_octave) if key is not None]
        if len(octaves) != (2 if scales is None else 0):
            raise InputError(
                f'{name}: give either scales, or octave_base_scale and scales_per_octave'
            )
        if scales_per_octave is not None and not isinstance(scales_per_octave, numbers.Integral):
            raise InputError(f'{name}: scales_per_octave must be whole, got {scales_per_octave!r}')
        for key, values in (
            ('strides', _flat(strides)),
            ('ratios', ratios),
            ('scales', scales),
            ('base_sizes', base_sizes),
            ('octave_base_scale and scales_per_octave', octaves or None),
        ):
            if values is not None:
                _check_positive(f'{name}: {key}', values)
        for key, items in (('base_sizes', base_sizes), ('centers', centers)):
            if items is not None and len(items) != len(strides):
                raise InputError(
                    f'{name}: {key} must have one entry per stride, '
                    f'got {len(items)} for {len(strides)} strides'
                )
        for centre in centers or ():
            if not (
                isinstance(centre, Sequence) and len(centre) == 2 and all(map(_finite, centre))
            ):
                raise InputError(f'{name}: centers must be pairs of finite numbers, got {centre!r}')
        if not (_finite(center_offset) and 0 <= center_offset <= 1):
            raise InputError(f'{name}: center_offset must be in 0..1, got {center_offset!r}')
        if centers is not None and center_offset != 0:
            raise InputError(f'{name}: give either centers or center_offset, not both')
        self.ratio_order = ratio_order
        self.anchor_file: str | None = None
        super().__init__(
            strides=[_pair(stride) for stride in strides],
            # In Python's float64, so that 1 / r written in a stock config gives the same anchors.
            ratios=[1 / ratio for ratio in ratios] if ratio_order == 'w/h' else list(ratios),
            scales=None if scales is None else list(scales),
            base_sizes=None if base_sizes is None else list(base_sizes),
            scale_major=scale_major,
            octave_base_scale=octave_base_scale,
            scales_per_octave=scales_per_octave,
            centers=centers,
            center_offset=center_offset,
            use_box_type=use_box_type,
        )

    def __repr__(self) -> str:
        text: str = super().__repr__()
        return text.replace('ratios=', 'ratios (h/w)=', 1)


def _finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def _flat(strides: Any) -> Any:
    """The numbers of strides and of pairs of them; others are left for the check."""
    if not isinstance(strides, Sequence):
        return strides
    return [
        side
        for stride in strides
        for side in (stride if isinstance(stride, Sequence) and len(stride) == 2 else [stride])
    ]


def _check_positive(name: str, values: Any) -> None:
    known = isinstance(values, Sequence) and not isinstance(values, str) and len(values) > 0
    if not known or not all(isinstance(value, numbers.Real) for value in values):
        raise InputError(f'{name} must be a list of one number or more, got {values!r}')
    bad = [value for value in values if not (math.isfinite(value) and value > 0)]
    if bad:
        raise InputError(f'{name} must be finite and above 0, got {bad[0]!r}')
