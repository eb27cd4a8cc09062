"""Two-component Gaussian mixtures of scores, all classes at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ['fit_score_mixtures', 'mixture_thresholds']

# No component is narrower: a handful of equal scores would end in a division by zero.
_LEAST_SPREAD = 0.02
_GRID = 129


def fit_score_mixtures(
    scores: Tensor, valid: Tensor, iterations: int = 30
) -> tuple[Tensor, Tensor, Tensor]:
    """Fit a low and a high Gaussian to the scores of each class by expectation maximisation.

    The means start at the lowest and the highest score. Extra memory: about 40 bytes per score.

    Args:
        scores (Tensor): Scores, floating point, shape (C, S).
        valid (Tensor): Which of them count, bool, shape (C, S).
        iterations (int): Steps. Default 30.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Shares, means and standard deviations, low component
        first, float32, each of shape (C, 2). Of a class without scores the numbers mean nothing,
        but are finite.

    Source:
        Dempster et al., "Maximum Likelihood from Incomplete Data via the EM Algorithm", 1977; as
        thresholds of pseudo labels: Wang et al., "Consistent-Teacher", CVPR 2023, section 3.4.

    Example:
        >>> scores = torch.tensor([[0.1, 0.1, 0.2, 0.8, 0.9, 0.9]])
        >>> _, means, _ = fit_score_mixtures(scores, torch.ones_like(scores, dtype=torch.bool))
        >>> [round(mean, 2) for mean in means[0].tolist()]
        [0.13, 0.87]
    """
    scores, count = scores.float(), valid.float().sum(1, keepdim=True).clamp(min=1)
    low = scores.masked_fill(~valid, 1.0).amin(1)
    high = scores.masked_fill(~valid, 0.0).amax(1)
    means = torch.stack([low, torch.maximum(low, high)], 1)
    spread = ((means[:, 1:] - means[:, :1]) / 4).expand(-1, 2).clamp(min=_LEAST_SPREAD)
    shares = torch.full_like(means, 0.5)
    weight = valid.float()[:, None]
    for _ in range(iterations):
        member = _log_density(scores, shares, means, spread).softmax(1) * weight
        mass = member.sum(2)
        # Nothing belongs to a component: it stays where it is.
        filled = mass.clamp(min=1e-6)
        mean = (member * scores[:, None]).sum(2) / filled
        means = torch.where(mass > 1e-3, mean, means)
        deviation = (scores[:, None] - means[..., None]).square()
        spread = ((member * deviation).sum(2) / filled).sqrt().clamp(min=_LEAST_SPREAD)
        shares = (mass / count).clamp(min=1e-4)
    order = means.argsort(1)
    return shares.gather(1, order), means.gather(1, order), spread.gather(1, order)


def mixture_thresholds(
    shares: Tensor, means: Tensor, spread: Tensor, posterior: float = 0.5
) -> Tensor:
    """Lowest score, between the two means, that belongs to the high component.

    Args:
        shares (Tensor): Shares of the components, low one first, shape (C, 2).
        means (Tensor): Their means, shape (C, 2).
        spread (Tensor): Their standard deviations, shape (C, 2).
        posterior (float): Probability of the high component that a score needs, in (0, 1).
            Default 0.5.

    Returns:
        Tensor: Thresholds, float32, shape (C,); NaN where the components lie so near to each
        other (Ashman's D below 1) that no score tells them apart.

    Example:
        >>> shares, spread = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.1, 0.1]])
        >>> mixture_thresholds(shares, torch.tensor([[0.2, 0.8]]), spread)
        tensor([0.5000])
        >>> mixture_thresholds(shares, torch.tensor([[0.2, 0.25]]), spread)
        tensor([nan])
    """
    steps = torch.linspace(0, 1, _GRID, device=means.device)
    grid = means[:, :1] + (means[:, 1:] - means[:, :1]) * steps
    belongs = _log_density(grid, shares, means, spread).softmax(1)[:, 1] >= posterior
    # At its own mean a component may lose against a wider one of larger share.
    first = torch.where(belongs.any(1), belongs.int().argmax(1), _GRID - 1)
    thresholds = grid.gather(1, first[:, None])[:, 0]
    apart = math.sqrt(2) * (means[:, 1] - means[:, 0]) / spread.square().sum(1).sqrt()
    return thresholds.masked_fill(apart < 1, float('nan'))


def _log_density(scores: Tensor, shares: Tensor, means: Tensor, spread: Tensor) -> Tensor:
    """Logarithm of share times density, up to a constant: (C, 2, S)."""
    offset = (scores[:, None] - means[..., None]) / spread[..., None]
    return shares.log()[..., None] - spread.log()[..., None] - offset.square() / 2
