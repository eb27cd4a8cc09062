"""Tiny detectors that see several views, from our base configs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope

BASES = Path(__file__).resolve().parents[3] / 'configs' / '_base_' / 'models'
C = 16


def _shrink(model: Config) -> None:
    model.backbone.base_channels = 8
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=C)
    model.data_preprocessor.pad_size_divisor = 32
    if 'roi_head' in model:
        model.rpn_head.update(in_channels=C, feat_channels=C)
        model.rpn_head.anchor_generator.scales = [4]
        model.roi_head.bbox_roi_extractor.out_channels = C
        model.roi_head.bbox_head.update(in_channels=C, fc_out_channels=32, num_classes=2)
    else:
        model.bbox_head.update(in_channels=C, feat_channels=C, stacked_convs=1, num_classes=2)
    if 'fusion' in model:
        model.fusion.update(channels=C, num_heads=2, tokens=64)


@pytest.fixture(scope='session')
def build() -> Callable[..., torch.nn.Module]:
    """``build('faster_rcnn', multi_view=True, seed=0, **model)``: a tiny detector, eval mode."""

    def make(kind: str, multi_view: bool = True, seed: int = 0, **changes):
        init_default_scope('mmdet')
        name = f'multi_view_{kind}' if multi_view else kind
        config = Config.fromfile(BASES / f'{name}_r18_fpn.py')
        _shrink(config.model)
        config.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
        torch.manual_seed(seed)
        model = MODELS.build(config.model)
        model.init_weights()
        return model.eval()

    return make
