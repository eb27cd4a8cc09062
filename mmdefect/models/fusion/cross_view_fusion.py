"""Attention between the views of one part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from mmdet.structures import DetDataSample
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from mmdefect.errors import InputError, constructor_keys, reject_unknown_keys, strict_keys
from mmdefect.models.fusion.part_views import PartViews
from mmdefect.models.fusion.token_places import (
    TokenPlaces,
    sinusoids,
    token_grid,
    token_places,
)
from mmdefect.registry import MODELS

__all__ = ['CrossViewFusion']

# Attention logit of a token on the same place of another registered view, before training: with
# it four fifths of the attention are there, all but some hundredths on it and its neighbours.
_SAME_PLACE = 24.0
# Narrower heads encode places by so few wavelengths that many places look alike: of 8 channels
# 1 % to 7 % of the attention would be on the same place.
_CHANNELS_PER_HEAD = 32
# Gates are this many times what is learned: AdamW moves a weight by about the learning rate per
# step, and a gate must come from 0 to some tenths within some hundred steps.
_GATE_SCALE = 10.0


@MODELS.register_module()
@strict_keys
class CrossViewFusion(nn.Module):
    """Let each view of a part see what the other views show.

    Each level of the pyramid is pooled to ``tokens`` tokens per view. Each token of a view to
    inspect attends to the tokens of all **other** views of its part; the difference to what they
    show goes through a small network, is upsampled to the level and added through a gate, one
    number per level and channel. All gates start at zero: a detector that gets this module
    predicts exactly as before, so that weights of a single-view detector can be loaded
    (:attr:`neutral_at_start`), and learns from there. All other weights are shared by the levels.

    - Place: tokens of registered views (those with ``part_homography``) are encoded by their
      place on the part, those of other views by their place in the image. Registered views start
      by looking at the same place of the part; other views start without such a prior.
    - View: a learned vector per ``view_id``. An id beyond ``num_views``, one never seen in
      training and a missing one get the mean of those that were.
    - Role: a learned vector for views to inspect and one for references. References are looked
      at and get no result.
    - Parts of different numbers of views are padded and masked, as is what lies outside an image.
      A view that is missing is simply not there. One learned key stands for "nothing there"; a
      part of one view sees only that.

    Works in bfloat16 under :func:`mmdefect.engine.precision.autocast_layers`; places are computed
    in float64.

    Memory: for N images, T tokens and C channels about ``12 * N * T * C`` numbers per level in
    training, ``8 * N * T * C`` at once otherwise, padded parts counted as if they had all their
    views; four parts of eight views of 160 px, 256 channels and 256 tokens keep 0.2 GB. Where
    PyTorch has no fused kernel, ``heads * N * T * V * T`` scores of the attention come on top,
    V views per part, outside training those of one view of each part at a time. With
    ``gradient_checkpointing`` a level keeps its input alone and is computed once more.

    Args:
        channels (int): Channels of every level; ``num_heads`` times a multiple of 4.
        num_levels (int): Levels of the pyramid. Default 5.
        tokens (int | 'all'): Most tokens per view and level, such as 256 or 512; ``'all'`` takes
            each pixel of the feature maps. Default 256.
        tokens_at (tuple[int, int] | None): Input ``(w, h)``, pixels, that ``tokens`` is meant
            for: a larger input gets more in proportion to its area, so that a token keeps its
            size where a model learns on crops and predicts on whole images. Default None: any.
        num_heads (int | None): Heads of the attention. Fewer channels per head than 32 tell the
            places of registered views badly apart. Default None: one per 32 channels.
        num_views (int): View ids, from 0, with a learned vector of their own. Default 8.
        part_unit (float | None): Length that coordinates of the part are divided by, in their
            own unit. Default None: the longest side of the part's views.
        gradient_checkpointing (bool): Save memory in training for about a third more time of
            this module. Default False.
        **unknown: Refused, naming the nearest known key.

    Attributes:
        neutral_at_start (bool): True: a checkpoint may lack all weights of this module, and the
            model then predicts as the one without it.

    Raises:
        InputError: An unknown key or a value out of range.

    Source:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 1; the gate as in
        Bachlechner et al., "ReZero is All You Need", UAI 2021, equation 1.

    Example:
        >>> fusion = CrossViewFusion(channels=32, num_levels=1, tokens=16)
        >>> meta = dict(part_id='a', ori_shape=(64, 64), img_shape=(64, 64))
        >>> samples = [DetDataSample(metainfo=dict(meta, view_id=0)),
        ...            DetDataSample(metainfo=dict(meta, view_id=1, view_role='reference'))]
        >>> levels = [torch.rand(2, 32, 8, 8)]
        >>> (fused,) = fusion(levels, samples, (64, 64))
        >>> fused.shape, torch.equal(fused, levels[0][:1])
        (torch.Size([1, 32, 8, 8]), True)
    """

    neutral_at_start = True

    def __init__(
        self,
        channels: int,
        num_levels: int = 5,
        tokens: int | Literal['all'] = 256,
        tokens_at: tuple[int, int] | None = None,
        num_heads: int | None = None,
        num_views: int = 8,
        part_unit: float | None = None,
        gradient_checkpointing: bool = False,
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('CrossViewFusion', unknown, constructor_keys(CrossViewFusion))
        if num_heads is None and isinstance(channels, int):
            num_heads = max(1, channels // _CHANNELS_PER_HEAD)
        for key, value in (
            ('channels', channels),
            ('num_levels', num_levels),
            ('num_heads', num_heads),
            ('num_views', num_views),
            ('tokens', 1 if tokens == 'all' else tokens),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                more = " or 'all'" if key == 'tokens' else ''
                raise InputError(
                    f'CrossViewFusion: {key} must be a whole number >= 1{more}, got {value!r}'
                )
        if channels % (4 * num_heads):
            raise InputError(
                f'CrossViewFusion: channels must be num_heads times a multiple of 4, got '
                f'{channels} channels and {num_heads} heads'
            )
        sides = (1, 1) if tokens_at is None else tokens_at
        if (
            not isinstance(sides, (list, tuple))
            or len(sides) != 2
            or not all(type(side) is int and side > 0 for side in sides)
        ):
            raise InputError(
                f'CrossViewFusion: tokens_at must be (w, h) in whole pixels, got {tokens_at!r}'
            )
        if part_unit is not None and not 0 < part_unit < float('inf'):
            raise InputError(f'CrossViewFusion: part_unit must be > 0, got {part_unit!r}')
        super().__init__()
        self.channels = channels
        self.tokens = None if tokens == 'all' else tokens
        self.tokens_at = None if tokens_at is None else tuple(tokens_at)
        self.num_heads = num_heads
        self.part_unit = part_unit
        self.gradient_checkpointing = gradient_checkpointing
        width = channels // num_heads
        self.norm = nn.LayerNorm(channels)
        self.view_vectors = nn.Parameter(torch.zeros(num_views, channels))
        self.role_vectors = nn.Parameter(torch.zeros(2, channels))
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        # Of registered and of other views.
        self.query_place = nn.Linear(width, 2 * channels, bias=False)
        self.key_place = nn.Linear(width, 2 * channels, bias=False)
        self.nothing_key = nn.Parameter(torch.zeros(channels))
        self.nothing_value = nn.Parameter(torch.zeros(channels))
        self.own = nn.Linear(channels, channels)
        self.other = nn.Linear(channels, channels, bias=False)
        self.result = nn.Linear(channels, channels)
        self.gates = nn.Parameter(torch.zeros(num_levels, channels))
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """Start by comparing a token with the same place of the other registered views."""
        for layer in (self.query, self.key, self.query_place, self.key_place):
            nn.init.normal_(layer.weight, std=0.02)
        for layer in (self.query, self.key, self.value):
            nn.init.zeros_(layer.bias)
        nn.init.eye_(self.value.weight)
        self.other.weight.copy_(-self.own.weight)
        width = self.channels // self.num_heads
        # The product of an encoding with itself is width / 2.
        same_place = torch.eye(width) * (_SAME_PLACE / (width / 2)) ** 0.5
        for layer in (self.query_place, self.key_place):
            layer.weight[: self.channels] = same_place.repeat(self.num_heads, 1)

    def forward(
        self,
        features: Sequence[Tensor],
        samples: Sequence[DetDataSample],
        input_shape: tuple[int, int],
    ) -> tuple[Tensor, ...]:
        """Fuse the views of each part.

        Args:
            features (Sequence[Tensor]): Levels of all images of the batch, shape (N, C, H_i, W_i).
            samples (Sequence[DetDataSample]): One per image, with ``ori_shape`` and ``img_shape``
                and, where they exist, ``part_id``, ``view_id``, ``view_role``,
                ``part_homography`` and ``homography_matrix``. Images without ``part_id`` are
                parts of their own.
            input_shape (tuple[int, int]): ``(h, w)`` of the padded input, pixels.

        Returns:
            tuple[Tensor, ...]: Levels of the images to inspect, in the order of the batch, shape
            (M, C, H_i, W_i), type of the features.

        Raises:
            InputError: A homography, role or id cannot be used.
            ValueError: Number or shape of the features do not fit.
        """
        if len(features) != len(self.gates):
            raise ValueError(
                f'features must be num_levels={len(self.gates)} levels, got {len(features)}'
            )
        views = PartViews(samples)
        tokens = self._tokens_for(input_shape)
        vectors = self._vectors(views, features[0].device)
        fused = []
        for gate, level in zip(self.gates, features, strict=True):
            if level.shape[:2] != (len(samples), self.channels):
                raise ValueError(
                    f'features must be of shape ({len(samples)}, {self.channels}, h, w), '
                    f'got {tuple(level.shape)}'
                )
            shape = (int(level.shape[2]), int(level.shape[3]))
            grid = token_grid(*shape, tokens)
            places = token_places(samples, views, grid, shape, input_shape, self.part_unit)
            arguments = (level, gate, vectors, views, places, grid)
            if self.gradient_checkpointing and torch.is_grad_enabled():
                fused.append(checkpoint(self._fuse, *arguments, use_reentrant=False))
            else:
                fused.append(self._fuse(*arguments))
        return tuple(fused)

    def _tokens_for(self, input_shape: tuple[int, int]) -> int | None:
        if self.tokens is None or self.tokens_at is None:
            return self.tokens
        larger = input_shape[0] * input_shape[1] / (self.tokens_at[0] * self.tokens_at[1])
        return max(1, round(self.tokens * larger))

    def _vectors(self, views: PartViews, device: torch.device) -> Tensor:
        """Sum of view and role vector of each image, shape (N, C)."""
        ids = torch.from_numpy(views.view_ids).to(device)
        in_table = (ids >= 0) & (ids < len(self.view_vectors))
        own = self.view_vectors[ids.where(in_table, 0)]
        # A row that never got a gradient is exactly zero.
        learned = self.view_vectors.detach().any(dim=1)
        mean = self.view_vectors.sum(dim=0) / learned.sum().clamp(min=1)
        known = in_table if self.training else in_table & learned[ids.where(in_table, 0)]
        reference = torch.ones(len(ids), dtype=torch.int64)
        reference[torch.from_numpy(views.slots[views.inspect])] = 0
        return torch.where(known[:, None], own, mean) + self.role_vectors[reference.to(device)]

    def _fuse(
        self,
        level: Tensor,
        gate: Tensor,
        vectors: Tensor,
        views: PartViews,
        places: TokenPlaces,
        grid: tuple[int, int],
    ) -> Tensor:
        """One level of all images to that of the images to inspect."""
        pooled = functional.adaptive_avg_pool2d(level, grid) if level.shape[2:] != grid else level
        tokens = self.norm(pooled.flatten(2).transpose(1, 2).float()) + vectors[:, None]
        encoded = torch.from_numpy(sinusoids(places.xy, self.channels // self.num_heads))
        encoded = encoded.to(level.device)
        registered = torch.from_numpy(places.registered).to(level.device)[:, None, None]
        query, key = (
            torch.where(registered, *layer(encoded).chunk(2, dim=-1))
            for layer in (self.query_place, self.key_place)
        )
        query = query + self.query(tokens) * (self.channels // self.num_heads) ** -0.5
        key = key + self.key(tokens)
        seen, order = self._attend(query, key, self.value(tokens), views, places.inside)
        hidden = functional.gelu(self.own(tokens[order]) + self.other(seen))
        added = (self.result(hidden) * (gate * _GATE_SCALE)).transpose(1, 2).unflatten(2, grid)
        if level.shape[2:] != grid:
            added = functional.interpolate(added, level.shape[2:], mode='bilinear')
        kept = level if len(order) == len(level) else level[order]
        return kept + added.to(level.dtype)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        views: PartViews,
        inside: NDArray[np.bool_],
    ) -> tuple[Tensor, Tensor]:
        """What the other views show to the tokens of the images to inspect; these images."""
        device, length = query.device, inside.shape[1]
        slots = torch.from_numpy(views.slots).to(device)
        parts = len(slots)
        keys, values = (
            self._heads(
                torch.cat([every[slots].flatten(1, 2), nothing.to(every).expand(parts, 1, -1)], 1)
            )
            for every, nothing in ((key, self.nothing_key), (value, self.nothing_value))
        )
        there = torch.from_numpy(inside[views.slots] & views.present[..., None]).flatten(1)
        there = torch.cat([there, torch.ones(parts, 1, dtype=torch.bool)], 1).to(device)
        inspect = torch.from_numpy(views.inspect).to(device)
        found, images = [], []
        for place in np.flatnonzero(views.inspect.any(axis=0)).tolist():
            mask = there.clone()
            mask[:, place * length : (place + 1) * length] = False
            # Of all parts, so that keys and values need no copies; what nobody asked for goes.
            seen = functional.scaled_dot_product_attention(
                self._heads(query[slots[:, place]]), keys, values, mask[:, None, None], scale=1.0
            )
            found.append(seen[inspect[:, place]])
            images.append(slots[inspect[:, place], place])
        order, back = torch.cat(images).sort()
        return torch.cat(found)[back].transpose(1, 2).flatten(2), order

    def _heads(self, tokens: Tensor) -> Tensor:
        """Shape (B, T, C) to (B, heads, T, C / heads)."""
        return tokens.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
