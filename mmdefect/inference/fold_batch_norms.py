"""Batch normalisation of a trained detector, folded into the convolutions before it."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

__all__ = ['fold_batch_norms']

# Side in pixels of the image that is looked through, and how far features may differ.
_SIDE = 128
_TOLERANCE = 1e-3


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Copy a detector and fold batch normalisation into convolutions where that is exact.

    Which convolution feeds which normalisation is seen in a forward pass of backbone and neck, not
    guessed from the order of the modules: one pair is folded if both run once, the one directly
    after the other, and neither is shared. Then the features of the copy are compared with those
    of the model; if they differ by more than rounding, the model is returned as it is.

    Args:
        model (nn.Module): A detector in evaluation mode; not changed.

    Returns:
        nn.Module: A copy for inference, whose weights have other values and must not be saved.

    Example:
        >>> class Detector(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        ...     def extract_feat(self, images):
        ...         return [self.backbone(images)]
        >>> fold_batch_norms(Detector().eval()).backbone[1]
        Identity()
    """
    # One value per channel of the images; grey models have one channel.
    mean = getattr(getattr(model, 'data_preprocessor', None), 'mean', torch.zeros(3))
    shape = (1, mean.numel(), _SIDE, _SIDE)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    images = images.to(next(model.parameters()).device)
    try:
        expected = _features(model, images)
    # Detectors that need more than images, or another size, stay as they are; what is truly wrong
    # with one shows on the first image that is inspected.
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return model
    folded = copy.deepcopy(model)
    for conv, norm in _pairs(folded, images):
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps,
            norm.weight, norm.bias,
        )  # fmt: skip
        _replace(folded, norm)
    found = _features(folded, images)
    # Not true of features that are no numbers.
    same = all(
        float((one - other).abs().max()) <= _TOLERANCE * float(one.abs().max())
        for one, other in zip(expected, found, strict=True)
    )
    return folded if same else model


@torch.no_grad()
def _features(model: Any, images: torch.Tensor) -> list[torch.Tensor]:
    return list(model.extract_feat(images))


def _pairs(model: nn.Module, images: torch.Tensor) -> list[tuple[nn.Conv2d, Any]]:
    """Convolutions and the normalisations that alone take what they give."""
    made: dict[int, nn.Conv2d] = {}
    kept: list[torch.Tensor] = []
    runs: Counter[int] = Counter()
    takers: Counter[int] = Counter()
    pairs: list[tuple[nn.Conv2d, Any]] = []

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        runs[id(module)] += 1
        source = made.get(id(inputs[0])) if inputs else None
        if source is not None and not list(module.children()):
            takers[id(source)] += 1
            plain = isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
            if plain and module.affine:
                pairs.append((source, module))
        if type(module) is nn.Conv2d or type(module).__name__ == 'Conv2d':
            made[id(output)] = module  # type: ignore[assignment]
            # Kept, so that no later tensor gets its id.
            kept.append(output)

    handles = [module.register_forward_hook(look) for module in model.modules()]
    try:
        _features(model, images)
    finally:
        for handle in handles:
            handle.remove()
    return [
        (conv, norm)
        for conv, norm in pairs
        if runs[id(conv)] == runs[id(norm)] == takers[id(conv)] == 1
        and _homes(model, conv) == _homes(model, norm) == 1
    ]


def _homes(model: nn.Module, part: nn.Module) -> int:
    """In how many places a module, or its weight, stands."""
    return sum(
        child is part or getattr(child, 'weight', None) is part.weight
        for module in model.modules()
        for child in module.children()
    )


def _replace(model: nn.Module, norm: nn.Module) -> None:
    for module in model.modules():
        for name, child in module.named_children():
            if child is norm:
                setattr(module, name, nn.Identity())
