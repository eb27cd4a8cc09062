"""The memory of an inspection is what the docstring of Inspector says."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

SIDE = 6000
SCRIPT = """
import resource
import sys
from types import SimpleNamespace

import torch
from mmengine.structures import InstanceData

from mmdefect.engine.predict import TrainedModel
from mmdefect.inference import Inspector, TileGrid


class Blind(torch.nn.Module):
    def test_step(self, data):
        nothing = InstanceData(
            bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0).long()
        )
        return [SimpleNamespace(pred_instances=nothing) for _ in data['data_samples']]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


pipeline = [dict(type='mmdefect.LoadImage'), dict(type='mmdefect.PackInputs')]
inspector = Inspector(TrainedModel(Blind(), pipeline, ['rust']), TileGrid((512, 512)), fold=False)
list(inspector.inspect([sys.argv[1]]))
before = peak()
print(*(found.tiles for found in inspector.inspect([sys.argv[2]] * 3)), peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='ru_maxrss in KiB')
def test_memory_with_large_files(tmp_path):
    part = np.random.default_rng(0).integers(0, 256, (500, 500, 3), np.uint8)
    small, large = tmp_path / 'small.png', tmp_path / 'large.png'
    cv2.imwrite(str(small), part)
    cv2.imwrite(str(large), np.tile(cv2.GaussianBlur(part, (9, 9), 4), (SIDE // 500,) * 2 + (1,)))
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, small, large], capture_output=True, text=True, check=True
    )
    *tiles, growth = map(int, done.stdout.splitlines()[-1].split())
    assert tiles == [144] * 3
    images, decoding, batches = 2 * 3 * SIDE**2, 4 * SIDE**2, 4 * 8 * 3 * 512**2
    assert growth < images + decoding + large.stat().st_size + batches + 30e6
