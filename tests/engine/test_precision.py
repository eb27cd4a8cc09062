from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, init_default_scope
from torch import nn

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.precision import autocast_layers, low_precision

BF16 = torch.bfloat16


class RoIHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.bbox_roi_extractor = nn.Linear(4, 4)
        self.bbox_head = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])


class Detector(BaseModel):
    """Backbone, then a product of coordinates, then the parts of a cascade's RoI head."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(4, 4)
        self.roi_head = RoIHead()

    def forward(self, inputs):
        features = self.backbone(inputs)
        corner = torch.tensor([[333.0, 1, 1, 1]]) @ torch.eye(4)
        pooled = self.roi_head.bbox_roi_extractor(corner)
        outputs = [head(features) for head in self.roi_head.bbox_head]
        return features, corner, pooled, outputs


class Extractor(nn.Module):
    """Casts the RoIs to the type of the features, as MMDetection's does."""

    def forward(self, features, rois):
        return rois.type_as(features[0])


class Cascade(BaseModel):
    """RoI extractors in a list, one per stage, and one alone; a head that returns a dict."""

    def __init__(self):
        super().__init__()
        self.neck = nn.Linear(4, 4)
        self.roi_head = nn.Module()
        self.roi_head.bbox_roi_extractor = nn.ModuleList([Extractor(), Extractor()])
        self.roi_head.mask_roi_extractor = Extractor()
        self.panoptic_head = nn.Identity()

    def forward(self, inputs):
        features = (self.neck(inputs),)
        rois = torch.tensor([[0.0, 333, 333, 667, 667]])
        stages = [stage(features, rois) for stage in self.roi_head.bbox_roi_extractor]
        stages.append(self.roi_head.mask_roi_extractor(features, rois=rois))
        return stages, self.panoptic_head({'masks': [features[0]]})


class SemiDetector(BaseModel):
    def __init__(self):
        super().__init__()
        self.student = Detector()

    def forward(self, inputs):
        return self.student(inputs)


@pytest.mark.parametrize('kind', [Detector, SemiDetector])
def test_layers_are_low_and_all_between_them_is_float32(kind):
    model = kind()
    with autocast_layers(model, 'cpu', BF16):
        features, corner, pooled, outputs = model(torch.rand(1, 4))
    assert features.dtype == BF16
    assert corner[0, 0].item() == 333.0
    assert pooled.dtype == torch.float32
    assert {output.dtype for output in outputs} == {torch.float32}


def test_roi_extractors_do_not_round_the_rois():
    with autocast_layers(model := Cascade(), 'cpu', BF16):
        stages, outputs = model(torch.rand(1, 4))
    assert [stage.tolist() for stage in stages] == [[[0.0, 333.0, 333.0, 667.0, 667.0]]] * 3
    assert outputs['masks'][0].dtype == torch.float32


def test_the_model_is_left_as_it_was():
    model = Detector()
    with pytest.raises(RuntimeError), autocast_layers(model, 'cpu', BF16):
        model(torch.rand(1, 5))
    assert not torch.is_autocast_enabled('cpu')
    assert not any(module._forward_hooks for module in model.modules())
    assert model(torch.rand(1, 4))[0].dtype == torch.float32


@pytest.mark.parametrize('kind', ['retinanet', 'rtmdet'])
def test_head_outputs_leave_autocast_in_float32(make_config, tmp_path, kind):
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(make_config(tmp_path, kind)).model).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad(), autocast_layers(model, 'cpu', BF16):
        features = model.extract_feat(image)
        outputs = model.bbox_head(features)
    assert {level.dtype for level in features} == {BF16}
    assert {item.dtype for level in outputs for item in level} == {torch.float32}
    with torch.no_grad():
        exact = model.bbox_head(model.extract_feat(image))
    for low, high in zip(outputs[0], exact[0], strict=True):
        torch.testing.assert_close(low, high, rtol=0.05, atol=0.05)


def test_low_precision_of_a_cpu():
    assert low_precision('cpu') == BF16


@pytest.mark.parametrize('width', [1, 2, 3])
def test_strides_wider_than_the_input_have_a_gradient(width):
    """oneDNN's bfloat16 weight gradient reads memory there that nobody wrote."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1))
    inputs = torch.randn(2, 16, 3, width)
    gradients = []
    for half in (False, True):
        for _ in range(8):
            # What freed memory holds.
            _ = [torch.full((size,), float('nan')) for size in (64, 600, 2304, 9216, 65536)]
            model.zero_grad()
            with autocast_layers(model, 'cpu', BF16) if half else nullcontext():
                outputs = model(inputs)
            assert outputs.dtype == (BF16 if half else torch.float32)
            _ = [torch.full((size,), float('nan')) for size in (64, 600, 2304, 9216, 65536)]
            (outputs.float() * torch.arange(2.0)[:, None, None, None]).sum().backward()
            gradients.append(model[0].weight.grad)
    exact, mixed = gradients[0], gradients[8:]
    for gradient in mixed:
        torch.testing.assert_close(gradient, exact, rtol=0.1, atol=0.05 * float(exact.abs().max()))
