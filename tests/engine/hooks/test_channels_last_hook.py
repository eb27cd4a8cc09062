from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmdefect.engine.hooks import ChannelsLastHook
from mmdefect.errors import InputError


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1))


def reorder(model):
    ChannelsLastHook().before_run(SimpleNamespace(model=model))
    return model


def test_features_of_ordinary_inputs_are_channels_last_and_equal():
    usual = make_network()
    last = reorder(copy.deepcopy(usual))
    images = torch.rand(2, 3, 20, 24)
    expected, features = usual(images), last(images)
    assert expected.is_contiguous() and not features.is_contiguous()
    assert features.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-6)


def test_an_optimiser_built_before_trains_the_same_weights():
    models = [make_network(), make_network()]
    optimisers = [torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9) for model in models]
    reorder(models[1])
    images = torch.rand(2, 3, 20, 24)
    for _ in range(2):
        for model, optimiser in zip(models, optimisers, strict=True):
            optimiser.zero_grad()
            model(images).square().mean().backward()
            optimiser.step()
    for usual, last in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(last, usual, rtol=1e-4, atol=1e-6)


def test_a_checkpoint_goes_both_ways(tmp_path):
    usual, last = make_network(), reorder(make_network())
    torch.save(last.state_dict(), tmp_path / 'last.pth')
    usual.load_state_dict(torch.load(tmp_path / 'last.pth'))
    assert usual[0].weight.is_contiguous()
    last.load_state_dict(usual.state_dict())
    assert last[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_it_has_no_keys():
    with pytest.raises(InputError, match="unknown key 'devices'"):
        ChannelsLastHook(devices=['cpu'])
