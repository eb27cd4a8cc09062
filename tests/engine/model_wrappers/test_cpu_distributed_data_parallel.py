import pytest
import torch
from mmengine.model import is_model_wrapper
from torch import nn

from mmdefect.engine.model_wrappers import CPUDistributedDataParallel
from mmdefect.errors import InputError
from mmdefect.registry import MODEL_WRAPPERS


@pytest.fixture
def alone(tmp_path):
    """A process group of one process."""
    store = (tmp_path / 'store').as_uri()
    torch.distributed.init_process_group('gloo', init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('nested', [False, True])
def test_sync_bn_is_refused_with_its_place(nested):
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.SyncBatchNorm(1))
    model = nn.ModuleDict({'backbone': model}) if nested else model
    name = 'backbone.1' if nested else '1'
    with pytest.raises(InputError, match=f"layer {name} of the model is SyncBN.*type='BN'"):
        CPUDistributedDataParallel(model)


def test_takes_what_the_runner_gives(alone):
    wrapper = MODEL_WRAPPERS.build(
        dict(type='mmdefect.CPUDistributedDataParallel', broadcast_buffers=False),
        default_args=dict(device_ids=[1], module=nn.Linear(2, 1)),
    )
    assert is_model_wrapper(wrapper)
    wrapper(torch.ones(3, 2)).sum().backward()
    assert wrapper.module.weight.grad.tolist() == [[3.0, 3.0]]
