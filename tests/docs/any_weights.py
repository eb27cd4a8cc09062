"""Random weights for the detector of a config: ``CONFIG CHECKPOINT``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from mmengine.registry import init_default_scope

from mmdefect.engine.config_file import read_config
from mmdefect.registry import MODELS

# So few boxes reach the lowest score that a detector keeps, that no time goes into NMS.
BIAS = -7.0

config, checkpoint = read_config(sys.argv[1]), Path(sys.argv[2])
init_default_scope('mmdet')
checkpoint.parent.mkdir(parents=True, exist_ok=True)
meta = {'dataset_meta': {'classes': tuple(config.classes)}}
weights = MODELS.build(config.model).state_dict()
for name, value in weights.items():
    if name.endswith('_cls.bias'):
        value.fill_(BIAS)
torch.save({'meta': meta, 'state_dict': weights}, checkpoint)
