from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn

from mmdefect.engine.precision import autocast_layers
from mmdefect.errors import InputError

SIZE = 64
KINDS = ('faster_rcnn', 'retinanet')


def sample(part_id, view_id, view_role='inspect', boxes=((8, 8, 40, 40),), **meta):
    meta = dict(
        part_id=part_id, view_id=view_id, view_role=view_role, ori_shape=(SIZE, SIZE),
        img_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0), img_path=f'{part_id}_{view_id}.png',
        homography_matrix=np.eye(3, dtype=np.float32), part_homography=np.eye(3),
    ) | meta  # fmt: skip
    found = DetDataSample(metainfo=meta)
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = torch.arange(len(boxes)) % 2
    found.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    found.ignored_instances = InstanceData(bboxes=boxes[:0], labels=labels[:0])
    return found


def batch(model, samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = [
        torch.randint(0, 256, (3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
        for _ in samples
    ]
    data = {'inputs': images, 'data_samples': copy.deepcopy(samples)}
    data = model.data_preprocessor(data, training=True)
    return data['inputs'], data['data_samples']


SAMPLES = [
    sample('a', 0),
    sample('a', 1, 'reference', boxes=()),
    sample('b', 0, boxes=()),
    sample('b', 1, 'reference', boxes=()),
    sample('c', 0, boxes=((4, 4, 20, 30), (30, 20, 60, 60))),
]
INSPECT = [0, 2, 4]


def awaken(model):
    nn.init.normal_(model.fusion.gates, std=0.5)
    return model


def detections(samples):
    return [
        (found.bboxes, found.scores, found.labels)
        for found in (sample.pred_instances for sample in samples)
    ]


def same(first, second):
    return all(
        torch.equal(mine, theirs)
        for a, b in zip(first, second, strict=True)
        for mine, theirs in zip(a, b, strict=True)
    )


@pytest.mark.parametrize('kind', KINDS)
def test_single_view_weights_load_and_predict_bit_for_bit_the_same(build, kind):
    single = build(kind, multi_view=False)
    multi = build(kind, seed=1)
    missing, unexpected = multi.load_state_dict(single.state_dict(), strict=False)
    assert not unexpected and missing
    assert {key.split('.')[0] for key in missing} == {'fusion'}
    inputs, samples = batch(single, SAMPLES)
    with torch.no_grad():
        expected = detections(single.predict(inputs, copy.deepcopy(samples)))
        found = detections(multi.predict(inputs, samples))
    assert sum(len(scores) for _, scores, _ in expected) > 10
    assert same(found, [expected[index] for index in INSPECT])


@pytest.mark.parametrize('kind', KINDS)
def test_references_are_seen_and_get_no_predictions(build, kind):
    model = awaken(build(kind))
    inputs, samples = batch(model, SAMPLES)
    with torch.no_grad():
        found = model.predict(inputs, copy.deepcopy(samples))
        assert [one.img_path for one in found] == ['a_0.png', 'b_0.png', 'c_0.png']
        other = inputs.clone()
        other[1] = -other[1]
        moved = model.predict(other, copy.deepcopy(samples))
    before, after = detections(found), detections(moved)
    assert not same(before[:1], after[:1])
    assert same(before[2:], after[2:])
    torch.testing.assert_close(before[1][1], after[1][1])


@pytest.mark.parametrize('kind', KINDS)
def test_references_feed_and_have_no_losses(build, kind):
    """Boxes of a reference count nowhere; its image reaches the losses through the fusion."""
    model = awaken(build(kind))
    inputs, samples = batch(model, SAMPLES)
    inputs.requires_grad_()
    results = []
    for boxes in ((), ((0, 0, 60, 60), (20, 20, 50, 50))):
        given = copy.deepcopy(samples)
        given[1].gt_instances = sample('a', 1, boxes=boxes).gt_instances
        torch.manual_seed(0)
        results.append(model.loss(inputs, given))
    for key, value in results[0].items():
        assert same([[torch.stack(list(value)) if isinstance(value, list) else value]], [[
            torch.stack(list(other)) if isinstance(other := results[1][key], list) else other
        ]]), key  # fmt: skip
    total, _ = model.parse_losses(results[0])
    total.backward()
    assert torch.isfinite(total) and inputs.grad[1].abs().sum() > 0
    assert all(item.grad is not None for item in model.fusion.parameters())


@pytest.mark.parametrize('kind', KINDS)
def test_losses_are_those_of_the_views_to_inspect(build, kind):
    """With closed gates as of the stock detector on these images alone."""
    single, multi = build(kind, multi_view=False), build(kind, seed=1)
    multi.load_state_dict(single.state_dict(), strict=False)
    inputs, samples = batch(single, SAMPLES)
    totals = []
    for model, images in ((single, INSPECT), (multi, range(5))):
        torch.manual_seed(0)
        chosen = copy.deepcopy([samples[index] for index in images])
        losses = model.loss(inputs[list(images)], chosen)
        totals.append(model.parse_losses(losses)[0])
    torch.testing.assert_close(*totals)


@pytest.mark.parametrize('kind', KINDS)
def test_without_fusion_references_are_not_even_looked_at(build, kind):
    model = build(kind, fusion=None)
    inputs, samples = batch(model, SAMPLES)
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    with torch.no_grad():
        found = model.predict(inputs, samples)
    assert len(found) == 3 and seen == [3]


@pytest.mark.parametrize('kind', KINDS)
def test_extracted_views_are_taken_in_place_of_images(build, kind):
    model = awaken(build(kind))
    inputs, samples = batch(model, SAMPLES)
    with torch.no_grad():
        features, inspected = model.extract_views(inputs, samples)
        assert [len(level) for level in features] == [3] * 5
        assert [one.img_path for one in inspected] == ['a_0.png', 'b_0.png', 'c_0.png']
        expected = detections(model.predict(inputs, copy.deepcopy(samples)))
        assert same(detections(model.predict(features, inspected)), expected)


@pytest.mark.parametrize('kind', KINDS)
def test_modes_of_forward(build, kind):
    model = awaken(build(kind))
    inputs, samples = batch(model, SAMPLES)
    assert len(model(inputs, copy.deepcopy(samples), mode='predict')) == 3
    assert all('loss' in key or key == 'acc' for key in model(inputs, samples, mode='loss'))
    assert model(inputs, samples, mode='tensor')
    if kind == 'retinanet':
        assert {len(level) for level in model(inputs)[0]} == {5}


@pytest.mark.parametrize('kind', KINDS)
def test_any_number_of_views_at_inference(build, kind):
    model = awaken(build(kind))
    for number in (1, 2, 11):
        inputs, samples = batch(model, [sample('a', view) for view in range(number)])
        with torch.no_grad():
            assert len(model.predict(inputs, samples)) == number


@pytest.mark.parametrize('kind', KINDS)
def test_bfloat16(build, kind):
    model = awaken(build(kind))
    inputs, samples = batch(model, SAMPLES)
    with torch.no_grad():
        exact, _ = model.extract_views(inputs, samples)
        with autocast_layers(model, 'cpu', torch.bfloat16):
            rounded, _ = model.extract_views(inputs, samples)
            found = model.predict(inputs, copy.deepcopy(samples))
    assert {level.dtype for level in rounded} == {torch.bfloat16}
    assert {scores.dtype for _, scores, _ in detections(found)} == {torch.float32}
    for high, low in zip(exact, rounded, strict=True):
        assert (high - low.float()).norm() < 0.05 * high.norm()
    model.train()
    with autocast_layers(model, 'cpu', torch.bfloat16):
        total, _ = model.parse_losses(model.loss(inputs, samples))
        total.backward()
    assert torch.isfinite(total) and model.fusion.query.weight.grad.any()


def test_only_references(build):
    model = build('retinanet')
    inputs, samples = batch(model, SAMPLES[1:2])
    with pytest.raises(InputError, match='no view to inspect among a_1.png'):
        model.predict(inputs, samples)


@pytest.mark.parametrize('kind', KINDS)
def test_misspelt_keys(build, kind):
    with pytest.raises(InputError, match="unknown key 'fusio'; did you mean 'fusion'"):
        build(kind, fusio=None)
    with pytest.raises(InputError, match="unknown key 'nekc'; did you mean 'neck'"):
        build(kind, nekc=None)
