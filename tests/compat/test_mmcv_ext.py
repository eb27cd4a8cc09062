"""mmcv's own wrappers on the stand-in give the numbers of mmdefect.ops."""

from __future__ import annotations

import pickle

import pytest
import torch

from mmdefect import ops
from mmdefect.compat.mmcv_ext import MissingOpError, MMCVExtension

mmcv_ops = pytest.importorskip('mmcv.ops')
extension = pytest.importorskip('mmcv._ext')
pytestmark = pytest.mark.skipif(
    not getattr(extension, '__mmdefect__', False), reason='mmcv has compiled ops here'
)


def boxes_and_scores(number=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(number, 2, generator=generator) * 60
    size = torch.rand(number, 2, generator=generator) * 30 + 1
    return torch.cat([corner, corner + size], 1), torch.rand(number, generator=generator)


@pytest.mark.parametrize('number', [0, 1, 60])
@pytest.mark.parametrize('offset', [0, 1])
def test_nms(number, offset):
    boxes, scores = boxes_and_scores(number)
    dets, kept = mmcv_ops.nms(boxes, scores, 0.4, offset)
    expected = ops.nms(boxes, scores, 0.4, offset=offset)
    assert kept.tolist() == expected.tolist()
    torch.testing.assert_close(dets, torch.cat([boxes, scores[:, None]], 1)[expected])


def test_batched_nms():
    boxes, scores = boxes_and_scores()
    labels = torch.arange(60) % 3
    dets, kept = mmcv_ops.batched_nms(boxes, scores, labels, dict(type='nms', iou_threshold=0.4))
    expected = ops.batched_nms(boxes, scores, labels, 0.4)
    assert kept.tolist() == expected.tolist()
    torch.testing.assert_close(dets[:, :4], boxes[expected], atol=1e-5, rtol=0)


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms(method):
    boxes, scores = boxes_and_scores()
    dets, kept = mmcv_ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method)
    expected, indices = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method=method)
    assert kept.tolist() == indices.tolist()
    torch.testing.assert_close(dets, expected)


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('reduction', ['none', 'sum', 'mean'])
def test_sigmoid_focal_loss(weighted, reduction):
    logits = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    target = torch.arange(12) % 5  # 4 is the background
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0]) if weighted else None
    a, b = (logits.clone().requires_grad_() for _ in range(2))
    ours = ops.sigmoid_focal_loss(a, target, 2.0, 0.25, weight, reduction)
    theirs = mmcv_ops.sigmoid_focal_loss(b, target, 2.0, 0.25, weight, reduction)
    torch.testing.assert_close(theirs, ours)
    ours.sum().backward()
    theirs.sum().backward()
    torch.testing.assert_close(b.grad, a.grad)


@pytest.mark.parametrize('pool_mode', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align(pool_mode, aligned):
    features = torch.randn(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    rois = torch.tensor([[0.0, 1, 2, 30, 20], [1.0, 5, 5, 9, 9], [0.0, -4, -4, 70, 50]])
    a, b = (features.clone().requires_grad_() for _ in range(2))
    ours = ops.roi_align(a, rois, (3, 5), 0.25, 2, pool_mode, aligned)
    theirs = mmcv_ops.roi_align(b, rois, (3, 5), 0.25, 2, pool_mode, aligned)
    torch.testing.assert_close(theirs, ours)
    weights = torch.rand(ours.shape, generator=torch.Generator().manual_seed(1))
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    torch.testing.assert_close(b.grad, a.grad)
    layer = mmcv_ops.RoIAlign((3, 5), 0.25, 2, pool_mode, aligned)
    torch.testing.assert_close(layer(features, rois), ours.detach())


def test_missing_op_is_named_with_the_cure():
    with pytest.raises(MissingOpError, match=r"'box_iou_rotated'.*MMCV_WITH_OPS=1.*pip"):
        mmcv_ops.box_iou_rotated(torch.zeros(1, 5), torch.zeros(1, 5))
    error = MissingOpError('knn_forward')
    assert "'knn_forward'" in str(error)
    assert '\n' not in str(error)


def test_missing_op_error_survives_a_process_boundary():
    error = pickle.loads(pickle.dumps(MissingOpError('knn_forward')))
    assert str(error) == str(MissingOpError('knn_forward'))


def test_the_module_object():
    module = MMCVExtension('mmcv._ext')
    assert module.anything.__name__ == 'anything'
    assert not hasattr(module, '__path__')
    assert not hasattr(module, '__file__')
    assert callable(extension.nms)
    assert extension.__mmdefect__


def test_environment_listing():
    assert 'mmdefect' in mmcv_ops.get_compiler_version()
    assert mmcv_ops.get_compiling_cuda_version() == 'not available'


def test_model_zoo_imports():
    import mmdet.models
    import mmpretrain.models

    assert mmdet.models.RetinaNet
    assert mmpretrain.models.ResNet
