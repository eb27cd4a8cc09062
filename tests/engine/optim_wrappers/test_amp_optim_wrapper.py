from __future__ import annotations

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, MODELS, OPTIM_WRAPPERS, init_default_scope
from torch import nn

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.optim_wrappers import AmpOptimWrapper
from mmdefect.errors import InputError

on_cpu = pytest.mark.skipif(torch.cuda.is_available(), reason='mmengine picks the GPU')


def linear():
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def wrapper_of(model, **arguments):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return AmpOptimWrapper(optimizer=optimizer, **arguments)


def batches_of(config, steps):
    dataset = DATASETS.build(config.train_dataloader.dataset)
    for step in range(steps):
        samples = [dataset[(2 * step + i) % len(dataset)] for i in range(2)]
        yield {key: [sample[key] for sample in samples] for key in samples[0]}


@on_cpu
@pytest.mark.parametrize('kind', ['retinanet', 'rtmdet'])
def test_detectors_train_as_in_float32(tmp_path, make_config, kind):
    """Four steps: losses finite, near float32's, head outputs and weights float32."""
    init_default_scope('mmdet')
    config = Config.fromfile(make_config(tmp_path, kind))
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    if kind == 'rtmdet':
        # Its losses are weighted by IoU; boxes of two strides overlap with the rectangles.
        for layer in model.bbox_head.rtm_reg:
            nn.init.constant_(layer.bias, 1.0)
    # No random flips: both runs see the same images.
    config.train_dataloader.dataset.pipeline.pop(3)
    losses, dtypes = {}, set()
    for name in ('OptimWrapper', 'mmdefect.AmpOptimWrapper'):
        twin = copy.deepcopy(model).train()
        optimizer = torch.optim.SGD(twin.parameters(), lr=0.002)
        wrapper = OPTIM_WRAPPERS.build({'type': name, 'optimizer': optimizer})
        if name.startswith('mmdefect'):
            with wrapper.optim_context(twin):
                features = twin.extract_feat(torch.rand(2, 3, 64, 64))
                outputs = twin.bbox_head(features)
            assert features[0].dtype == torch.bfloat16
            dtypes = {item.dtype for level in outputs for item in level}
        losses[name] = [
            twin.train_step(batch, wrapper)['loss'].item() for batch in batches_of(config, 4)
        ]
        assert {value.dtype for value in twin.parameters()} == {torch.float32}
    assert dtypes == {torch.float32}
    plain, mixed = map(torch.tensor, losses.values())
    assert torch.isfinite(mixed).all()
    assert plain.min() > 0.1
    torch.testing.assert_close(mixed, plain, rtol=0.1, atol=0)
    assert not torch.equal(plain, mixed)


@on_cpu
def test_default_is_bfloat16_and_only_inside_the_context():
    model = linear()
    wrapper = wrapper_of(model)
    assert wrapper.dtype == torch.bfloat16
    with wrapper.optim_context(model):
        assert model(torch.ones(1, 4)).dtype == torch.bfloat16
    assert model(torch.ones(1, 4)).dtype == torch.float32


@on_cpu
@pytest.mark.parametrize(
    ('dtype', 'message'),
    [('float16', 'a CPU has no float16'), ('fp8', "one of bfloat16, float16, got 'fp8'")],
)
def test_bad_dtype(dtype, message):
    with pytest.raises(InputError, match=message):
        wrapper_of(linear(), dtype=dtype)


def one_step(wrapper, model, scale=1.0):
    with wrapper.optim_context(model):
        loss = scale * model(torch.ones(3, 4)).float().square().mean()
    wrapper.update_params(loss)


@on_cpu
def test_state_round_trip_continues_exactly():
    model = linear()
    wrapper = wrapper_of(model)
    for _ in range(3):
        one_step(wrapper, model)
    twin = copy.deepcopy(model)
    restored = wrapper_of(twin)
    restored.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    one_step(wrapper, model)
    one_step(restored, twin)
    assert torch.equal(model.weight, twin.weight)


@on_cpu
def test_accepts_the_state_of_a_float32_run():
    model = linear()
    plain = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
    plain.update_params(model(torch.ones(3, 4)).square().mean())
    restored = wrapper_of(copy.deepcopy(model))
    restored.load_state_dict(plain.state_dict())
    buffers = [entry['momentum_buffer'] for entry in restored.optimizer.state.values()]
    assert len(buffers) == 2 and all(buffer.abs().sum() > 0 for buffer in buffers)


@on_cpu
def test_accumulates_gradients():
    model = linear()
    start = model.weight.detach().clone()
    wrapper = wrapper_of(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 4)
    one_step(wrapper, model)
    assert torch.equal(model.weight, start)
    one_step(wrapper, model)
    assert not torch.equal(model.weight, start)
    # Two halves of the same loss make one whole step.
    single = linear()
    one_step(wrapper_of(single), single)
    torch.testing.assert_close(model.weight, single.weight)


@on_cpu
def test_clips_gradients():
    model = linear()
    start = model.weight.detach().clone(), model.bias.detach().clone()
    one_step(wrapper_of(model, clip_grad={'max_norm': 0.01}), model, scale=1000)
    moved = torch.cat(
        [(model.weight - start[0]).flatten(), (model.bias - start[1]).flatten()]
    ).detach()
    assert moved.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)
