"""What makes a detector of single images look at all views of a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.structures import DetDataSample
from torch import Tensor

from mmdefect.errors import constructor_keys, reject_unknown_keys
from mmdefect.models.fusion import images_to_inspect
from mmdefect.registry import MODELS

__all__ = ['MultiViewDetector']


class MultiViewDetector:
    """Mixin, to be named before a detector of MMDetection: fusion of views, reference views.

    The backbone and neck see every image, the fusion every feature map; heads see the fused maps
    of the views to inspect only. Reference views get no losses and no predictions. Batch
    normalisation in training counts them.

    Args:
        *args (Any): As of the detector.
        fusion (Mapping | None): A fusion such as ``dict(type='mmdefect.CrossViewFusion',
            channels=256)``. Default None: views do not see each other, references are left out.
        **kwargs (Any): As of the detector; unknown ones are refused.

    Raises:
        InputError: An unknown key.

    Example:
        >>> class Detector:
        ...     def extract_feat(self, batch_inputs):
        ...         return (batch_inputs * 2,)
        >>> class MultiView(MultiViewDetector, Detector): ...
        >>> import torch
        >>> samples = [DetDataSample(), DetDataSample(metainfo=dict(view_role='reference'))]
        >>> features, inspected = MultiView().extract_views(torch.ones(2, 1, 1, 1), samples)
        >>> features, len(inspected)
        ((tensor([[[[2.]]]]),), 1)
    """

    def __init__(self, *args: Any, fusion: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        reject_unknown_keys(type(self).__name__, kwargs, constructor_keys(type(self)))
        super().__init__(*args, **kwargs)
        self.fusion: Any = None if fusion is None else MODELS.build(fusion)

    def extract_feat(self, batch_inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Extract features, each image on its own.

        Args:
            batch_inputs (Tensor | tuple[Tensor, ...]): Images, shape (N, C, h, w). What
                :meth:`extract_views` returned is handed through, so that the detector's own
                methods take it in place of images.

        Returns:
            tuple[Tensor, ...]: Levels, shape (N, C, h_i, w_i).
        """
        if isinstance(batch_inputs, tuple):
            return batch_inputs
        return super().extract_feat(batch_inputs)  # type: ignore[misc]

    def extract_views(
        self,
        batch_inputs: Tensor | tuple[Tensor, ...],
        batch_data_samples: Sequence[DetDataSample],
    ) -> tuple[tuple[Tensor, ...], list[DetDataSample]]:
        """Extract the features that heads see, and the samples they belong to.

        Args:
            batch_inputs (Tensor | tuple[Tensor, ...]): Images of all views, shape (N, C, h, w).
                What this method returned before is handed through.
            batch_data_samples (Sequence[DetDataSample]): One per image.

        Returns:
            tuple[tuple[Tensor, ...], list[DetDataSample]]: Levels of the M views to inspect,
            shape (M, C, h_i, w_i), and their samples, in the order of the batch.

        Raises:
            InputError: No view is to be inspected, or the fusion cannot use what a sample says.
        """
        samples = list(batch_data_samples)
        if isinstance(batch_inputs, tuple):
            return batch_inputs, samples
        chosen = images_to_inspect(samples)
        inspected = [samples[index] for index in chosen]
        if self.fusion is None:
            if len(chosen) < len(samples):
                batch_inputs = batch_inputs[chosen]
            return self.extract_feat(batch_inputs), inspected
        height, width = batch_inputs.shape[-2:]
        features = self.extract_feat(batch_inputs)
        return self.fusion(features, samples, (int(height), int(width))), inspected

    def loss(
        self,
        batch_inputs: Tensor | tuple[Tensor, ...],
        batch_data_samples: Sequence[DetDataSample],
    ) -> Any:
        """Compute the losses of the views to inspect.

        Args:
            batch_inputs (Tensor | tuple[Tensor, ...]): As of :meth:`extract_views`.
            batch_data_samples (Sequence[DetDataSample]): One per image.

        Returns:
            dict: Losses of the detector.
        """
        features, samples = self.extract_views(batch_inputs, batch_data_samples)
        return super().loss(features, samples)  # type: ignore[misc]

    def predict(
        self,
        batch_inputs: Tensor | tuple[Tensor, ...],
        batch_data_samples: Sequence[DetDataSample],
        rescale: bool = True,
    ) -> list[DetDataSample]:
        """Detect in the views to inspect.

        Args:
            batch_inputs (Tensor | tuple[Tensor, ...]): As of :meth:`extract_views`.
            batch_data_samples (Sequence[DetDataSample]): One per image.
            rescale (bool): Whether boxes are in pixels of the original image. Default True.

        Returns:
            list[DetDataSample]: Samples of the views to inspect, with ``pred_instances``.
        """
        features, samples = self.extract_views(batch_inputs, batch_data_samples)
        return super().predict(features, samples, rescale=rescale)  # type: ignore[misc]

    def _forward(
        self,
        batch_inputs: Tensor | tuple[Tensor, ...],
        batch_data_samples: Sequence[DetDataSample] | None = None,
    ) -> Any:
        """Raw outputs; without samples each image is a part of its own, and no view is fused."""
        if batch_data_samples is None:
            return super()._forward(batch_inputs, None)  # type: ignore[misc]
        features, samples = self.extract_views(batch_inputs, batch_data_samples)
        return super()._forward(features, samples)  # type: ignore[misc]
