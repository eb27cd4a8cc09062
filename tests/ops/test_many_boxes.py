"""100,000 boxes of a dense scene: what operators keep, and the memory that they need."""

from __future__ import annotations

import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != 'linux', reason='reads the peak memory of /proc'),
]

# Objects everywhere in an image, about five boxes of each; peak memory by the kernel.
_CODE = """
import torch
from mmdefect import ops

def peak(reset=False):
    if reset:
        open('/proc/self/clear_refs', 'w').write('5')
    line = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))
    return int(line.split()[1]) / 1024

generator = torch.Generator().manual_seed(0)
centre = torch.rand(100_000, 2, generator=generator) * 1500
size = torch.rand(100_000, 2, generator=generator) * 40 + 10
boxes = torch.cat([centre - size / 2, centre + size / 2], 1)
scores = torch.rand(100_000, generator=generator)
labels = torch.arange(100_000) % 3
few = slice(0, 3000)
{call}
before = peak(reset=True)
few = slice(None)
result = {call}
print(peak() - before, len(result))
"""
CALLS = {
    'nms': 'ops.nms(boxes[few], scores[few], 0.5)',
    'batched_nms': 'ops.batched_nms(boxes[few], scores[few], labels[few], 0.5)',
    'soft_nms': 'ops.soft_nms(boxes[few], scores[few])[1]',
    'box_fusion': 'ops.weighted_box_fusion(boxes[few], scores[few], labels[few]).scores',
}


@pytest.mark.parametrize('name', CALLS)
def test_memory_is_linear(run_python, name):
    code = _CODE.replace('{call}', CALLS[name])
    done = run_python('-c', code, MMDEFECT_OPS='torch', timeout=600)
    extra, kept = done.stdout.split()
    assert float(extra) < 500, done.stderr
    assert 10_000 < int(kept) < 100_000
