"""RoI extractor on mmdefect's RoIAlign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.ops import RoIAlign
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor

from mmdefect.errors import InputError, reject_unknown_keys, strict_keys
from mmdefect.ops import multilevel_roi_align
from mmdefect.registry import MODELS

__all__ = ['MultiLevelRoIExtractor']

_LAYER_KEYS = ('type', 'output_size', 'sampling_ratio', 'pool_mode', 'aligned')


@MODELS.register_module()
@strict_keys
class MultiLevelRoIExtractor(SingleRoIExtractor):
    """Pool each RoI out of the pyramid level that fits its size, all levels in one call.

    Takes the place of MMDetection's ``SingleRoIExtractor`` with the same arguments, so that a
    stock config needs only ``bbox_roi_extractor=dict(type='mmdefect.MultiLevelRoIExtractor')``
    (and ``mask_roi_extractor``) to change. The numbers are the same in float32. Differences:

    - It calls ``mmdefect.ops``; the stock one takes its layer from ``mmcv.ops``, whose compiled
      CPU version is a single-threaded scalar loop.
    - RoIs stay float32 whatever the type of the features: in bfloat16 a coordinate of 333 becomes
      332. The output has the type of the features.
    - The output is contiguous, ready for a fully connected layer, and every level gets a
      gradient, zeros where no RoI belongs to it.
    - ``roi_scale_factor`` also acts where there is a single level.

    Args:
        roi_layer (dict): ``type`` ``'RoIAlign'``; ``output_size``, bins ``(h, w)`` or one number
            for both; ``sampling_ratio`` (default 0, adaptive), ``pool_mode`` (default ``'avg'``)
            and ``aligned`` (default True) as in :func:`mmdefect.ops.roi_align`.
        out_channels (int): Channels of the features.
        featmap_strides (Sequence[int]): Image pixels per feature pixel of each level.
        finest_scale (int): RoIs with ``sqrt(w * h)`` below twice this many image pixels belong to
            level 0, below four times to level 1, and so on. Default 56.
        init_cfg (dict | None): As for any module of MMEngine; there are no weights here. Default
            None.

    Raises:
        InputError: An unknown key, or a ``roi_layer`` of another type.

    Source:
        Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, equation 1.

    Example:
        >>> import torch
        >>> layer = dict(type='RoIAlign', output_size=7, sampling_ratio=0)
        >>> extractor = MultiLevelRoIExtractor(layer, out_channels=8, featmap_strides=[4, 8])
        >>> features = [torch.rand(1, 8, 32, 32), torch.rand(1, 8, 16, 16)]
        >>> rois = torch.tensor([[0.0, 3, 3, 40, 30], [0, 0, 0, 128, 128]])
        >>> extractor(features, rois).shape
        torch.Size([2, 8, 7, 7])
    """

    def __init__(
        self,
        roi_layer: dict[str, Any],
        out_channels: int,
        featmap_strides: Sequence[int],
        finest_scale: int = 56,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        reject_unknown_keys('MultiLevelRoIExtractor: roi_layer', roi_layer, _LAYER_KEYS)
        if roi_layer.get('type') not in ('RoIAlign', RoIAlign):
            raise InputError(
                "MultiLevelRoIExtractor: roi_layer must be of type 'RoIAlign', "
                f"got {roi_layer.get('type')!r}; use MMDetection's SingleRoIExtractor for others"
            )
        super().__init__(roi_layer, out_channels, list(featmap_strides), finest_scale, init_cfg)

    def forward(
        self, feats: Sequence[Tensor], rois: Tensor, roi_scale_factor: float | None = None
    ) -> Tensor:
        """Pool features.

        Args:
            feats (Sequence[Tensor]): Feature maps of the levels, shape (B, C, H_i, W_i).
            rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (K, 5).
            roi_scale_factor (float | None): Scale RoIs about their centres by this factor after
                their level is chosen. Default None.

        Returns:
            Tensor: Shape (K, C, h, w), type of the features.

        Raises:
            ValueError: As in :func:`mmdefect.ops.multilevel_roi_align`.
        """
        rois = rois.float()
        levels = self.map_roi_levels(rois, len(feats))
        if roi_scale_factor is not None:
            rois = self.roi_rescale(rois, roi_scale_factor)
        layer = self.roi_layers[0]
        return multilevel_roi_align(
            feats,
            rois,
            levels,
            layer.output_size,
            [level.spatial_scale for level in self.roi_layers],
            layer.sampling_ratio,
            layer.pool_mode,
            layer.aligned,
        )
