"""Region proposals that learn from every anchor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet.models.dense_heads import RPNHead
from mmdet.models.task_modules.samplers import PseudoSampler

from mmdefect.errors import InputError, strict_keys
from mmdefect.models.losses import focal_config, mean_positives
from mmdefect.registry import MODELS

__all__ = ['FocalRPNHead']

_FOCAL = {'type': 'FocalLoss'}


@MODELS.register_module()
@strict_keys
class FocalRPNHead(RPNHead):
    """MMDetection's ``RPNHead`` with sigmoid focal loss over all anchors.

    Instead of a random sample of 256 anchors per image, every anchor takes part and focal loss
    weighs the easy ones down. Both losses are divided by the positives of the batch (at least 1),
    averaged over the ranks of a distributed training, and not by the number of sampled anchors.
    The objectness starts at ``prior_prob``, so that thousands of background anchors do not drown
    the first steps.

    Args:
        in_channels (int): Channels of the feature maps.
        loss_cls (dict | None): ``FocalLoss`` with ``gamma``, ``alpha`` and ``loss_weight``. Default
            None: gamma 2, alpha .25, weight 1.
        prior_prob (float): Objectness of every anchor before training, above 0 and below 1.
            Default 0.01.
        init_cfg (dict | list[dict] | None): Initialisation of the layers; one that is given
            replaces the whole, the prior included. Default None: normal, standard deviation .01.
        **kwargs: As for ``RPNHead``: ``num_convs``, ``feat_channels``, ``anchor_generator``,
            ``bbox_coder``, ``reg_decoded_bbox``, ``loss_bbox``, ``train_cfg``, ``test_cfg``.
            ``train_cfg.sampler`` must be a ``PseudoSampler``.

    Raises:
        InputError: An unknown or missing key, another loss, a sampler that leaves anchors out, or
            an argument out of range.

    Source:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5 and section 4.1
        (prior).

    Example:
        >>> import torch
        >>> anchors = dict(type='AnchorGenerator', scales=[8], ratios=[1.0], strides=[8])
        >>> head = FocalRPNHead(in_channels=4, feat_channels=4, anchor_generator=anchors)
        >>> scores, deltas = head((torch.rand(1, 4, 6, 8),))
        >>> scores[0].shape, deltas[0].shape
        (torch.Size([1, 1, 6, 8]), torch.Size([1, 4, 6, 8]))
    """

    def __init__(
        self,
        in_channels: int,
        loss_cls: Mapping[str, Any] | None = None,
        prior_prob: float = 0.01,
        init_cfg: Any = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if not 0 < prior_prob < 1:
            raise InputError(f'{name}: prior_prob must be above 0 and below 1, got {prior_prob}')
        if kwargs.get('num_classes', 1) != 1:
            raise InputError(
                f'{name}: num_classes must be 1 (object or not), got {kwargs["num_classes"]}; '
                'leave it out'
            )
        if init_cfg is None:
            prior = dict(type='Normal', name='rpn_cls', std=0.01, bias_prob=prior_prob)
            init_cfg = dict(type='Normal', layer='Conv2d', std=0.01, override=prior)
        loss_cls = dict(type='FocalLoss', **focal_config(name, loss_cls or _FOCAL))
        super().__init__(in_channels, loss_cls=loss_cls, init_cfg=init_cfg, **kwargs)
        sampler = getattr(self, 'sampler', None)
        if sampler is not None and not isinstance(sampler, PseudoSampler):
            raise InputError(
                f'{name}: train_cfg.sampler must be a PseudoSampler, as all anchors count, '
                f'got {type(sampler).__name__}; '
                "set sampler=dict(_delete_=True, type='PseudoSampler')"
            )

    def get_targets(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Targets as those of ``AnchorHead``, with another divisor of the losses.

        Args:
            *args: As for ``AnchorHead.get_targets``.
            **kwargs: Likewise.

        Returns:
            tuple: Labels, label weights, box targets and box weights, one tensor per level each;
            then the number of positives, averaged over the ranks (float), in place of each
            image's, which counts a clean image as one; then what else was asked for.
        """
        targets = super().get_targets(*args, **kwargs)
        divisor = mean_positives(targets[0], self.num_classes)
        return (*targets[:4], divisor, *targets[5:])
