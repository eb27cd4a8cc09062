"""First convolutions of a checkpoint, adapted from colour to grey images and back."""

from __future__ import annotations

import torch

__all__ = ['adapt_input_channels']


def adapt_input_channels(target: torch.Tensor, source: torch.Tensor) -> torch.Tensor | None:
    """Let a first convolution see other channels as it saw its own.

    From colour to grey the weights are summed over the channels, from grey to colour they are
    shared out evenly; a grey image, whose three channels are equal, then gives the same features.

    Args:
        target (torch.Tensor): Weight of the model, shape (out, channels, h, w).
        source (torch.Tensor): Weight of the checkpoint, likewise.

    Returns:
        torch.Tensor | None: Shape and dtype of ``target``; None when the two do not differ in
        exactly this: one channel and three channels.

    Source:
        The usual practice for pretrained backbones, for example ``adapt_input_conv`` of timm.

    Example:
        >>> colour = torch.tensor([1., 2., 4.]).reshape(1, 3, 1, 1)
        >>> adapt_input_channels(torch.zeros(1, 1, 1, 1), colour).item()
        7.0
    """
    if target.dim() != 4 or source.dim() != 4:
        return None
    if target.shape[0] != source.shape[0] or target.shape[2:] != source.shape[2:]:
        return None
    channels = (source.shape[1], target.shape[1])
    if channels == (3, 1):
        return source.to(target).sum(dim=1, keepdim=True)
    if channels == (1, 3):
        return source.to(target).expand_as(target) / 3
    return None
