from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdefect import ops
from mmdefect.ops.focal_loss import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward


def reference_loss(logits, target, gamma, alpha, weight=None):
    """Equation 5 of the paper, element by element, in float64."""
    loss = np.zeros(logits.shape)
    for (row, column), logit in np.ndenumerate(logits):
        p, q = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
        if column == target[row]:
            loss[row, column] = -alpha * q**gamma * np.log(p)
        else:
            loss[row, column] = -(1 - alpha) * p**gamma * np.log(q)
        if weight is not None and 0 <= target[row] < logits.shape[1]:
            loss[row, column] *= weight[target[row]]
    return loss


def sample(rows=7, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64) * 4
    return logits, torch.arange(rows) % (classes + 1)


@pytest.mark.parametrize('gamma', [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize('alpha', [0.0, 0.25, 1.0])
@pytest.mark.parametrize('weighted', [False, True])
def test_equals_reference(gamma, alpha, weighted):
    logits, target = sample()
    weight = torch.tensor([0.5, 2.0, 1.0, 3.0]) if weighted else None
    loss = ops.sigmoid_focal_loss(logits, target, gamma, alpha, weight, 'none')
    factors = weight.double().numpy() if weighted else None
    expected = reference_loss(logits.numpy(), target.numpy(), gamma, alpha, factors)
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-8, atol=1e-12)


def test_reductions():
    logits, target = sample()
    loss = ops.sigmoid_focal_loss(logits, target, reduction='none')
    assert torch.allclose(ops.sigmoid_focal_loss(logits, target, reduction='sum'), loss.sum())
    # The mean is per row, not per element.
    assert torch.allclose(ops.sigmoid_focal_loss(logits, target), loss.sum() / 7)


@pytest.mark.parametrize('gamma', [0.0, 0.5, 2.0])
@pytest.mark.parametrize('weighted', [False, True])
def test_gradient(gamma, weighted):
    logits, target = sample()
    weight = torch.tensor([0.5, 2.0, 1.0, 3.0], dtype=torch.float64) if weighted else None
    for reduction in ('none', 'mean'):
        assert torch.autograd.gradcheck(
            lambda x, reduction=reduction: ops.sigmoid_focal_loss(
                x, target, gamma, 0.25, weight, reduction
            ),
            logits.clone().requires_grad_(),
        )


def test_large_logits_stay_exact():
    logits = torch.tensor([[50.0, -50.0], [-50.0, 50.0], [500.0, -500.0]], requires_grad=True)
    target = torch.tensor([0, 0, 1])
    loss = ops.sigmoid_focal_loss(logits, target, alpha=0.5, reduction='none')
    expected = [[0.0, 0.0], [25.0, 25.0], [250.0, 250.0]]
    np.testing.assert_allclose(loss.detach().numpy(), expected, atol=1e-20)
    loss.sum().backward()
    np.testing.assert_allclose(
        logits.grad.numpy(), [[0.0, 0.0], [-0.5, 0.5], [0.5, -0.5]], atol=1e-18
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_is_computed_in_float32(dtype):
    logits, target = sample()
    logits = logits.to(dtype).requires_grad_()
    loss = ops.sigmoid_focal_loss(logits, target, reduction='sum')
    expected = reference_loss(logits.detach().double().numpy(), target.numpy(), 2.0, 0.25).sum()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert logits.grad.dtype == dtype


def test_background_only_and_empty():
    logits = torch.zeros(3, 2, requires_grad=True)
    loss = ops.sigmoid_focal_loss(logits, torch.full((3,), 2), weight=torch.tensor([9.0, 9.0]))
    assert loss.item() == pytest.approx(2 * 0.75 * 0.25 * np.log(2))
    loss.backward()
    assert (logits.grad > 0).all()
    empty = torch.zeros(0, 2, requires_grad=True)
    for reduction in ('mean', 'sum'):
        loss = ops.sigmoid_focal_loss(empty, torch.zeros(0).long(), reduction=reduction)
        assert loss.item() == 0
        loss.backward()


def test_unchecked_halves_take_any_other_target_as_background():
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    arguments = (torch.tensor([2.0, 2.0, 2.0]), 2.0, 0.25)
    for function in (sigmoid_focal_loss_forward, sigmoid_focal_loss_backward):
        outside = function(logits, torch.tensor([-1, 7]), *arguments)
        assert torch.equal(outside, function(logits, torch.tensor([3, 3]), *arguments))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'logits': torch.zeros(2)}, 'logits must be floating point of shape'),
        ({'logits': torch.zeros(2, 3).long()}, 'logits must be floating point of shape'),
        ({'target': torch.zeros(3).long()}, r'target must be int64 of shape \(2,\)'),
        ({'target': torch.zeros(2)}, 'target must be int64'),
        ({'target': torch.tensor([0, -1])}, r'target must be in 0..3 .*, got -1'),
        ({'target': torch.tensor([4, 0])}, r'target must be in 0..3 .*, got 4'),
        ({'target': torch.zeros(2, device='meta').long()}, 'target must be on cpu .*, got meta'),
        ({'weight': torch.ones(3, device='meta')}, 'weight must be on cpu .*, got meta'),
        ({'gamma': -1.0}, 'gamma must be >= 0, got -1.0'),
        ({'alpha': 2.0}, 'alpha must be in'),
        ({'weight': torch.ones(4)}, r'weight must be of shape \(3,\), got \(4,\)'),
        ({'reduction': 'avg'}, "reduction must be one of none, mean, sum, got 'avg'"),
    ],
)
def test_bad_input(change, message):
    arguments = {'logits': torch.zeros(2, 3), 'target': torch.zeros(2).long()}
    with pytest.raises(ValueError, match=message):
        ops.sigmoid_focal_loss(**{**arguments, **change})
