from __future__ import annotations

import copy

import pytest
import torch
from mmengine.model import ImgDataPreprocessor
from torch import nn

from mmdefect.inference.fold_batch_norms import fold_batch_norms


def norm(channels):
    made = nn.BatchNorm2d(channels)
    nn.init.uniform_(made.weight, 0.5, 2)
    nn.init.normal_(made.bias)
    made.running_mean.normal_()
    made.running_var.uniform_(0.5, 2)
    return made


class Detector(nn.Module):
    """``forward`` of the backbone is given; folding must see what it does, not its modules."""

    def __init__(self, run, **modules):
        super().__init__()
        self.backbone = nn.ModuleDict(modules)
        self.run = run

    def extract_feat(self, images):
        return [self.run(self.backbone, images)]


def build(kind):
    torch.manual_seed(0)
    conv, other = nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(4, 4, 3)
    first, second = norm(4), norm(4)
    if kind == 'plain':
        return Detector(
            lambda m, x: m['second'](m['other'](m['first'](m['conv'](x)).relu())),
            # Registered in another order than they run.
            second=second, first=first, other=other, conv=conv,
        )  # fmt: skip
    if kind == 'shared convolution':
        return Detector(
            lambda m, x: m['first'](m['conv'](x)) + m['second'](m['conv'](x)),
            conv=conv, first=first, second=second,
        )  # fmt: skip
    if kind == 'used twice':
        return Detector(
            lambda m, x: (lambda y: m['first'](y) + y)(m['conv'](x)), conv=conv, first=first
        )
    if kind == 'activation between':
        return Detector(
            lambda m, x: m['first'](m['act'](m['conv'](x))), conv=conv, act=nn.ReLU(), first=first
        )
    return Detector(lambda m, x: m['conv'](x).reshape(5, 5), conv=conv)


@pytest.mark.parametrize(
    ('kind', 'left'),
    [('plain', 0), ('shared convolution', 2), ('used twice', 1), ('activation between', 1)],
)
def test_folds_what_is_exact(kind, left):
    model = build(kind).eval()
    before = copy.deepcopy(model.state_dict())
    folded = fold_batch_norms(model)
    images = torch.rand(2, 3, 20, 24)
    with torch.no_grad():
        expected, found = model.extract_feat(images)[0], folded.extract_feat(images)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules()) == left
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_grey_images():
    model = Detector(
        lambda m, x: m['first'](m['conv'](x)), conv=nn.Conv2d(1, 4, 3), first=norm(4)
    ).eval()
    model.data_preprocessor = ImgDataPreprocessor(mean=[100.0], std=[50.0])
    folded, images = fold_batch_norms(model), torch.rand(2, 1, 20, 24)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        expected, found = model.extract_feat(images)[0], folded.extract_feat(images)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_detectors_that_cannot_be_looked_through():
    for model in (build('fails'), nn.Conv2d(3, 3, 1)):
        assert fold_batch_norms(model.eval()) is model
