"""One tower of convolutions for scores and boxes of all levels."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmdet.models.dense_heads import AnchorHead
from mmdet.structures.bbox import get_box_tensor, get_box_wh
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdefect import ops
from mmdefect.errors import InputError, reject_unknown_keys, strict_keys
from mmdefect.models.anchors.cached_priors import CachedPriors
from mmdefect.models.heads.cap_counter import CapCounter
from mmdefect.models.losses import mean_positives
from mmdefect.registry import MODELS

__all__ = ['SharedTowerHead']

# Of MMDetection's dense heads, and ours.
_TEST_KEYS = (
    'nms_pre', 'score_thr', 'nms', 'min_bbox_size', 'max_per_img', 'size_range', 'ios_thr',
)  # fmt: skip


class _TowerLayer(nn.Module):
    """3x3 convolution, normalisation and ReLU of the maps of all levels.

    In training, batch normalisation sees all levels together. Level by level it would normalise
    each with its own statistics and predict with the running mean of all of them.
    """

    def __init__(self, in_channels: int, channels: int, norm_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.norm = build_norm_layer(dict(norm_cfg), channels)[1]

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        maps = [self.conv(level) for level in maps]
        if not (isinstance(self.norm, _BatchNorm) and self.norm.training):
            return [self.norm(level).relu_() for level in maps]
        places = [level.shape[2:] for level in maps]
        joined = torch.cat([level.flatten(2) for level in maps], 2)[..., None]
        levels = self.norm(joined).relu_()[..., 0].split([h * w for h, w in places], 2)
        return [level.unflatten(2, place) for level, place in zip(levels, places, strict=True)]


@MODELS.register_module()
@strict_keys
class SharedTowerHead(AnchorHead):
    """Anchor head whose scores and boxes come from the same tower, for dense scenes.

    ``stacked_convs`` times 3x3 convolution, normalisation and ReLU, then one 3x3 convolution for
    the scores and one for the boxes; all levels share all of it. The logits are divided by a
    temperature in ``forward``, so losses and predictions read the same numbers. Both losses are
    divided by the positives of the batch (at least 1), averaged over the ranks of a distributed
    training.

    Prediction, by ``test_cfg``: scores above ``score_thr``, at most ``nms_pre`` a level, ``nms``,
    sides within ``size_range``, no box of which more than ``ios_thr`` of the smaller one's area
    is shared with a better one (IoS; after NMS at .5 an IoU above .5 is not met any more), at
    most ``max_per_img`` boxes. When one of the two caps cuts, it is logged once and counted in
    ``cuts``.

    Args:
        in_channels (int): Channels of the feature maps.
        num_classes (int): Classes without the background. Default 1: object or not.
        stacked_convs (int): Layers of the tower, at least 1. Default 4.
        norm_cfg (dict): Normalisation of the tower. Default ``dict(type='BN')``.
        temperature (float): What logits are divided by, above 0. Default 1.
        learn_temperature (bool): Start from ``temperature`` and learn it; a fixed one is read
            from the config and not from checkpoints, so one that is fitted after training can
            be set there. Default False.
        prior_prob (float): Score of every anchor before training, above 0 and below 1. Default
            0.01.
        loss_cls (dict | None): Any loss with ``use_sigmoid=True``. Default None: binary
            cross-entropy.
        cached_shapes (int): Feature-map shapes whose anchors are kept for the next batch, those
            used last; 0: none. Default 4.
        init_cfg (dict | list[dict] | None): Initialisation of the layers; one that is given
            replaces the whole, the prior included. Default None: normal, standard deviation .01.
        **kwargs: As for ``AnchorHead``: ``feat_channels``, ``anchor_generator``, ``bbox_coder``
            (:class:`mmdefect.models.ClippedDeltaCoder` clips the offsets), ``reg_decoded_bbox``,
            ``loss_bbox``, ``train_cfg``, ``test_cfg``. Keys of ``test_cfg`` besides MMDetection's:
            ``size_range`` (tuple[float, float]): shortest and longest side in pixels of the
            result's image, both included; ``ios_thr`` (float): above 0, at most 1. Without them
            nothing is removed.

    Attributes:
        cuts (CapCounter): Boxes cut by ``nms_pre`` and ``max_per_img``, since the start or the
            last ``reset()``.

    Raises:
        InputError: An unknown or missing key, a loss without sigmoids, or an argument out of
            range.

    Source:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section 4 (layout, prior);
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2
        (temperature).

    Example:
        >>> anchors = dict(type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0], strides=[8, 16])
        >>> head = SharedTowerHead(in_channels=4, feat_channels=4, anchor_generator=anchors)
        >>> scores, deltas = head((torch.rand(1, 4, 6, 8), torch.rand(1, 4, 3, 4)))
        >>> scores[0].shape, deltas[1].shape
        (torch.Size([1, 2, 6, 8]), torch.Size([1, 8, 3, 4]))
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int = 1,
        stacked_convs: int = 4,
        norm_cfg: Mapping[str, Any] | None = None,
        temperature: float = 1.0,
        learn_temperature: bool = False,
        prior_prob: float = 0.01,
        loss_cls: Mapping[str, Any] | None = None,
        cached_shapes: int = 4,
        init_cfg: Any = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        for key, number, least in (
            ('stacked_convs', stacked_convs, 1),
            ('cached_shapes', cached_shapes, 0),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise InputError(
                    f'{name}: {key} must be a whole number from {least} on, got {number!r}'
                )
        if not (isinstance(temperature, Real) and 0 < temperature < math.inf):
            raise InputError(f'{name}: temperature must be finite and above 0, got {temperature!r}')
        if not (isinstance(prior_prob, Real) and 0 < prior_prob < 1):
            raise InputError(f'{name}: prior_prob must be above 0 and below 1, got {prior_prob!r}')
        loss_cls = loss_cls or dict(type='CrossEntropyLoss', use_sigmoid=True)
        if not loss_cls.get('use_sigmoid', False):
            raise InputError(
                f'{name}: loss_cls must have use_sigmoid=True, got {dict(loss_cls)}; predictions '
                'are sigmoids'
            )
        _check_test_cfg(name, kwargs.get('test_cfg') or {})
        if init_cfg is None:
            # The logits are divided by the temperature, and the scores shall start at the prior.
            bias = temperature * math.log(prior_prob / (1 - prior_prob))
            prior = dict(type='Normal', name='conv_cls', std=0.01, bias=bias)
            init_cfg = dict(type='Normal', layer='Conv2d', std=0.01, override=prior)
        self.stacked_convs = stacked_convs
        self.norm_cfg = dict(type='BN') if norm_cfg is None else norm_cfg
        super().__init__(num_classes, in_channels, loss_cls=loss_cls, init_cfg=init_cfg, **kwargs)
        self.log_temperature = None
        self._temperature = float(temperature)
        if learn_temperature:
            self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.prior_generator: Any = CachedPriors(self.prior_generator, cached_shapes)
        self.cuts = CapCounter(name)

    def _init_layers(self) -> None:
        channels = [self.in_channels] + [self.feat_channels] * self.stacked_convs
        self.tower = nn.Sequential(
            *(
                _TowerLayer(before, after, self.norm_cfg)
                for before, after in zip(channels[:-1], channels[1:], strict=True)
            )
        )
        scores = self.num_base_priors * self.cls_out_channels
        deltas = self.num_base_priors * self.bbox_coder.encode_size
        self.conv_cls = nn.Conv2d(self.feat_channels, scores, 3, padding=1)
        self.conv_reg = nn.Conv2d(self.feat_channels, deltas, 3, padding=1)

    @property
    def temperature(self) -> Tensor | float:
        """What logits are divided by; a tensor of one number where it is learned."""
        return self._temperature if self.log_temperature is None else self.log_temperature.exp()

    def forward(self, x: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Scores and boxes of all levels.

        Args:
            x (Sequence[Tensor]): Feature maps, shape (B, in_channels, H_i, W_i).

        Returns:
            tuple[list[Tensor], list[Tensor]]: Per level logits, shape (B, A * num_classes, H_i,
            W_i), and encoded boxes, shape (B, A * 4, H_i, W_i), of A anchors a place.
        """
        maps = self.tower(x)
        logits = [self.conv_cls(level) / self.temperature for level in maps]
        return logits, [self.conv_reg(level) for level in maps]

    def get_targets(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Targets as those of ``AnchorHead``, with another divisor of the losses.

        Args:
            *args: As for ``AnchorHead.get_targets``.
            **kwargs: Likewise.

        Returns:
            tuple: Labels, label weights, box targets and box weights, one tensor per level each;
            then the number of positives, averaged over the ranks (float); then what else was
            asked for.
        """
        targets = super().get_targets(*args, **kwargs)
        divisor = mean_positives(targets[0], self.num_classes)
        return (*targets[:4], divisor, *targets[5:])

    def loss_by_feat(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Losses of a batch.

        Args:
            *args: As for ``AnchorHead.loss_by_feat``.
            **kwargs: Likewise.

        Returns:
            dict: ``loss_cls`` and ``loss_bbox``, one number per level; ``temperature`` where it
            is learned, for the log.
        """
        losses: dict[str, Any] = super().loss_by_feat(*args, **kwargs)
        if isinstance(self.temperature, Tensor):
            losses['temperature'] = self.temperature.detach()
        return losses

    def _predict_by_feat_single(
        self, cls_score_list: list[Tensor], *args: Any, **kwargs: Any
    ) -> InstanceData:
        """As in the base class; counts what ``nms_pre`` cuts."""
        cfg = copy.copy(kwargs.pop('cfg', None) or self.test_cfg)
        most = cfg.get('nms_pre', -1)
        if most > 0:
            for level in cls_score_list:
                if level.numel() > most:
                    found = int((level.sigmoid() > cfg.get('score_thr', 0)).sum())
                    image = kwargs['img_meta'].get('img_path', 'an image')
                    self.cuts.note('nms_pre', most, found, image)
        else:
            # The base class takes -1 for all but the last one.
            cfg.nms_pre = max(level.numel() for level in cls_score_list)
        return super()._predict_by_feat_single(cls_score_list, *args, cfg=cfg, **kwargs)

    def _bbox_post_process(
        self,
        results: InstanceData,
        cfg: Any,
        rescale: bool = False,
        with_nms: bool = True,
        img_meta: Any = None,
    ) -> InstanceData:
        """NMS, sizes, boxes within others, cap."""
        most = cfg.get('max_per_img', -1)
        every = copy.copy(cfg)
        every.max_per_img = len(results)
        results = super()._bbox_post_process(results, every, rescale, with_nms, img_meta)
        if not with_nms or not len(results):
            return results
        if cfg.get('size_range') is not None:
            low, high = cfg.size_range
            sides = torch.stack(get_box_wh(results.bboxes))
            results = results[((sides >= low) & (sides <= high)).all(0)]
        if cfg.get('ios_thr') is not None:
            kept = ops.batched_nms(
                get_box_tensor(results.bboxes),
                results.scores,
                results.labels,
                cfg.ios_thr,
                class_agnostic=cfg.nms.get('class_agnostic', False),
                metric='ios',
            )
            results = results[kept]
        if most < 0:
            return results
        image = (img_meta or {}).get('img_path', 'an image')
        self.cuts.note('max_per_img', most, len(results), image)
        return results[:most]


def _check_test_cfg(name: str, test_cfg: Mapping[str, Any]) -> None:
    """Refuse keys that nobody reads, and values of ours that nothing can pass."""
    reject_unknown_keys(f'{name}: test_cfg', test_cfg, _TEST_KEYS)
    sizes = test_cfg.get('size_range')
    if sizes is not None and not (_is_pair(sizes) and 0 <= sizes[0] <= sizes[1]):
        raise InputError(
            f'{name}: test_cfg.size_range must be the shortest and the longest side in pixels, '
            f'got {sizes!r}'
        )
    share = test_cfg.get('ios_thr')
    if share is not None and not (isinstance(share, Real) and 0 < share <= 1):
        raise InputError(f'{name}: test_cfg.ios_thr must be above 0 and at most 1, got {share!r}')


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(isinstance(item, Real) for item in value)
    )
