import torch
from torch import nn

from mmdefect.engine.guard import BufferSnapshot


class Counter(nn.Module):
    """Replaces its buffer, as code with ``self.count = self.count + 1`` does."""

    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.zeros(1))
        self.register_buffer('nothing', None)

    def forward(self, x):
        self.count = self.count + 1
        return x


def test_restores_what_was_changed_or_replaced():
    model = nn.Sequential(nn.BatchNorm1d(2), Counter(), nn.Dropout())
    snapshot = BufferSnapshot(model)
    for _ in range(2):
        model(torch.rand(4, 2))
        expected = {name: value.clone() for name, value in model.state_dict().items()}
        tensors = {name: value.data_ptr() for name, value in model.named_buffers()}
        snapshot.take()
        model(torch.rand(4, 2) * 1000)
        assert int(model[0].num_batches_tracked) == int(expected['0.num_batches_tracked']) + 1
        snapshot.restore()
        assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
        assert {name: value.data_ptr() for name, value in model.named_buffers()} == tensors
    assert model[1].nothing is None


def test_takes_a_buffer_that_has_changed_its_shape():
    model = Counter()
    snapshot = BufferSnapshot(model)
    snapshot.take()
    model.count = torch.arange(3.0)
    snapshot.take()
    model.count.zero_()
    snapshot.restore()
    assert model.count.tolist() == [0.0, 1.0, 2.0]


def test_reuses_its_memory():
    model = nn.BatchNorm1d(2)
    snapshot = BufferSnapshot(model)
    snapshot.take()
    copies = [copied.data_ptr() for _, copied in snapshot._taken.values()]
    snapshot.take()
    assert [copied.data_ptr() for _, copied in snapshot._taken.values()] == copies
