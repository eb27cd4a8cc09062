from __future__ import annotations

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.precision import keep_head_outputs_float32


def test_marks_each_dense_head_once(tiny_config):
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(tiny_config).model)
    assert [keep_head_outputs_float32(model) for _ in range(2)] == [1, 1]
    assert len(model.bbox_head._forward_hooks) == 1


def test_outputs_leave_autocast_in_float32(tiny_config):
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(tiny_config).model).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        before = model.bbox_head(model.extract_feat(image))
        keep_head_outputs_float32(model)
        after = model.bbox_head(model.extract_feat(image))
    assert before[0][0].dtype == torch.bfloat16
    assert {item.dtype for level in after for item in level} == {torch.float32}
    torch.testing.assert_close(before[0][0].float(), after[0][0])
