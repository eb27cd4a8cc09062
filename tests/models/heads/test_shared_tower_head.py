from __future__ import annotations

import copy
import math

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from mmengine.structures import InstanceData

from mmdefect.engine.precision import autocast_layers
from mmdefect.errors import InputError
from mmdefect.models import SharedTowerHead

STRIDES = [4, 8, 16, 32, 64]
ANCHORS = dict(
    type='mmdefect.DefectAnchorGenerator', strides=STRIDES, ratios=[0.5, 1.0], ratio_order='w/h',
    scales=[1.0], base_sizes=[16, 32, 64, 128, 256],
)  # fmt: skip
TEST = dict(
    score_thr=0.2, nms_pre=1000, nms=dict(type='nms', iou_threshold=0.5), size_range=(4, 90),
    ios_thr=0.6, max_per_img=300,
)  # fmt: skip
TRAIN = dict(
    assigner=dict(
        type='mmdefect.CentreRegionAssigner', pos_iou_thr=0.3, neg_iou_thr=0.5, min_pos_iou=0.1,
        centre_ratio=0.5, neg_pos_ratio=3,
    ),
    allowed_border=-1, pos_weight=-1, debug=False,
)  # fmt: skip
META = dict(
    img_shape=(128, 128), ori_shape=(128, 128), pad_shape=(128, 128), img_path='shelf.png',
    scale_factor=(1.0, 1.0),
)  # fmt: skip
SIZES = [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]


def make_head(seed=0, **changes):
    torch.manual_seed(seed)
    options = dict(
        in_channels=6, feat_channels=8, stacked_convs=2, anchor_generator=ANCHORS,
        bbox_coder=dict(type='mmdefect.ClippedDeltaCoder', target_stds=(0.1, 0.1, 0.2, 0.2)),
        train_cfg=ConfigDict(TRAIN), test_cfg=ConfigDict(TEST),
    )  # fmt: skip
    head = SharedTowerHead(**{**copy.deepcopy(options), **changes})
    head.init_weights()
    return head


def features(seed=1, images=2):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(images, 6, *size, generator=generator) for size in SIZES)


def truth(*boxes):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.int64))


def total(losses):
    return sum(sum(losses[key]) for key in ('loss_cls', 'loss_bbox'))


def test_levels_share_the_tower_and_are_normalised_together():
    head = make_head().train()
    maps = features()
    first = head.tower[0]
    convolved = [first.conv(level) for level in maps]
    joined = torch.cat([level.flatten(2) for level in convolved], 2)
    mean = joined.mean((0, 2), keepdim=True)
    scale = (joined.var((0, 2), unbiased=False, keepdim=True) + first.norm.eps).sqrt()
    expected = ((joined - mean) / scale).relu().split([h * w for h, w in SIZES], 2)
    for found, level, size in zip(first(maps), expected, SIZES, strict=True):
        torch.testing.assert_close(found, level.unflatten(2, size), rtol=1e-4, atol=1e-5)
    # So prediction, with the running statistics of these maps, is what was trained.
    first.norm.momentum = 1.0
    trained = first(maps)
    for found, level in zip(first.eval()(maps), trained, strict=True):
        torch.testing.assert_close(found, level, rtol=1e-2, atol=1e-2)
    assert len(head.tower) == 2 and head.tower[0].conv.bias is None
    grouped = make_head(norm_cfg=dict(type='GN', num_groups=2)).train()
    assert [level.shape for level in grouped(maps)[0]] == [(2, 2, *size) for size in SIZES]


@pytest.mark.parametrize('temperature', [0.5, 1.0, 4.0])
@pytest.mark.parametrize('learned', [False, True])
def test_temperature_divides_what_is_trained_and_predicted(temperature, learned):
    plain = make_head(test_cfg=ConfigDict(TEST, score_thr=0.0, ios_thr=None, size_range=None))
    head = make_head(test_cfg=plain.test_cfg, temperature=temperature, learn_temperature=learned)
    # The scores start at the prior whatever the temperature.
    for level in head.eval()(features())[0]:
        assert level.sigmoid().mean().item() == pytest.approx(0.01, rel=0.15)
    head.load_state_dict(plain.state_dict(), strict=False)
    maps = features()
    logits, deltas = head.eval()(maps)
    for found, level in zip(logits, plain.eval()(maps)[0], strict=True):
        torch.testing.assert_close(found, level / temperature, rtol=1e-5, atol=1e-5)
    [found, _] = head.predict_by_feat(logits, deltas, batch_img_metas=[META] * 2)
    highest = max(level[0].max() for level in logits)
    assert found.scores[0].item() == pytest.approx(highest.sigmoid().item(), rel=1e-5)
    # The loss of the logits as they are: binary cross-entropy by hand.
    losses = head.loss_by_feat(logits, deltas, [truth(), truth()], [META] * 2)
    assert ('temperature' in losses) is learned
    assert ('log_temperature' in head.state_dict()) is learned
    total(losses).backward()
    if learned:
        assert losses['temperature'].item() == pytest.approx(temperature)
        assert head.log_temperature.grad.abs() > 0


def test_empty_truth_teaches_the_scores_only():
    head = make_head().train()
    for boxes in ([truth(), truth()], [truth((20, 20, 40, 50)), truth()]):
        losses = head.loss_by_feat(*head(features()), boxes, [META] * 2)
        assert sum(losses['loss_cls']) > 0
        assert bool(sum(losses['loss_bbox']) > 0) is bool(len(boxes[0]))
        total(losses).backward()
    assert all(value.grad.isfinite().all() for value in head.parameters())


def test_losses_are_divided_by_the_positives_of_the_batch():
    """An image twice has the losses of one: a divisor by image would count clean ones."""
    head = make_head(train_cfg=ConfigDict(TRAIN)).eval()
    head.assigner.neg_pos_ratio = None
    boxes = truth((20, 20, 40, 50), (40, 20, 60, 50))
    maps = features(images=1)
    once = total(head.loss_by_feat(*head(maps), [boxes], [META]))
    twice = tuple(level.repeat(2, 1, 1, 1) for level in maps)
    both = total(head.loss_by_feat(*head(twice), [boxes] * 2, [META] * 2))
    assert both.item() == pytest.approx(once.item(), rel=1e-5)


def test_layers_in_bfloat16():
    class Detector(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bbox_head = make_head(learn_temperature=True).train()

    detector = Detector()
    with autocast_layers(detector, 'cpu', torch.bfloat16):
        outputs = detector.bbox_head(features())
    assert {level.dtype for levels in outputs for level in levels} == {torch.float32}
    total(detector.bbox_head.loss_by_feat(*outputs, [truth((9, 9, 30, 30))] * 2, [META] * 2))


def post_process(boxes, scores, image='shelf.png', head=None, labels=None, **changes):
    """What is left of written boxes: their positions."""
    head = head or make_head()
    results = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.tensor(scores, dtype=torch.float32),
        labels=torch.zeros(len(scores), dtype=torch.int64) if labels is None else labels,
        at=torch.arange(len(scores)),
    )
    meta = dict(META, img_path=image)
    found = head._bbox_post_process(results, ConfigDict(TEST, **changes), img_meta=meta)
    assert (found.scores.diff() <= 0).all()
    return found.at.tolist()


WHOLE, PART, LOW = [10, 10, 40, 60], [12, 10, 26, 40], [20, 30, 60, 61]


def test_boxes_within_better_ones_are_removed():
    # IoU of whole and part: .28; shared of the smaller one: 1. Of whole and low: 600 of 1240.
    assert post_process([WHOLE, PART, LOW], [0.5, 0.9, 0.6]) == [1, 2]
    assert post_process([WHOLE, PART, LOW], [0.9, 0.5, 0.6]) == [0, 2]
    assert post_process([WHOLE, PART, LOW], [0.9, 0.5, 0.6], ios_thr=0.45) == [0]
    assert post_process([WHOLE, PART, LOW], [0.9, 0.5, 0.6], ios_thr=None) == [0, 2, 1]
    classes = torch.tensor([0, 1, 0])
    assert post_process([WHOLE, PART, LOW], [0.9, 0.5, 0.6], labels=classes) == [0, 2, 1]
    agnostic = dict(type='nms', iou_threshold=0.5, class_agnostic=True)
    assert post_process([WHOLE, PART], [0.9, 0.5], labels=classes[:2], nms=agnostic) == [0]


def test_sizes_include_their_bounds():
    boxes = [[0, 0, 4, 90], [20, 0, 23.9, 50], [30, 0, 40, 90.1], [100, 0, 101, 1]]
    assert post_process(boxes, [0.9, 0.8, 0.7, 0.6]) == [0]
    assert post_process(boxes, [0.9, 0.8, 0.7, 0.6], size_range=None) == [0, 1, 2, 3]
    # NMS comes first: a box of the wrong size suppresses like any other.
    assert post_process([[0, 0, 50, 99], [0, 0, 50, 80]], [0.9, 0.8]) == []


@pytest.fixture
def warnings(monkeypatch):
    from mmdefect.models.heads import cap_counter

    said = []
    monkeypatch.setattr(cap_counter, 'print_log', lambda text, **options: said.append(text))
    return said


def test_caps_are_counted_and_logged_once(warnings):
    head = make_head()
    boxes = [[20 * index, 0, 20 * index + 10, 30] for index in range(5)]
    scores = [0.5, 0.9, 0.3, 0.8, 0.4]
    assert post_process(boxes, scores, head=head, max_per_img=5) == [1, 3, 0, 4, 2]
    assert not warnings
    for image in ('a.png', 'b.png'):
        assert post_process(boxes, scores, image, head, max_per_img=3) == [1, 3, 0]
    assert post_process(boxes, scores, head=head, max_per_img=-1) == [1, 3, 0, 4, 2]
    assert post_process([], [], head=head) == []
    assert head.cuts.boxes == {'max_per_img': 4} and head.cuts.images == {'max_per_img': 2}
    assert head.cuts.limits == {'max_per_img': 3}
    head.cuts.reset()
    assert not (head.cuts.boxes or head.cuts.images or head.cuts.limits)
    assert post_process(boxes, scores, head=head, max_per_img=3) == [1, 3, 0]
    assert head.cuts.boxes == {'max_per_img': 2}
    [said] = warnings
    assert 'SharedTowerHead: test_cfg.max_per_img=3 cuts 2 of 5 boxes of a.png' in said


@pytest.mark.parametrize('nms_pre', [-1, 50, 100_000])
def test_a_cap_of_each_level(warnings, nms_pre):
    head = make_head(test_cfg=ConfigDict(TEST, nms_pre=nms_pre, size_range=None, ios_thr=None))
    head.test_cfg.nms.iou_threshold = 1.0
    logits = [torch.full((1, 2, *size), 2.0) for size in SIZES]
    logits[0][0, 0, :, 16:] = -9
    deltas = [torch.zeros(1, 8, *size) for size in SIZES]
    head.test_cfg.max_per_img = 100_000
    [found] = head.predict_by_feat(logits, deltas, batch_img_metas=[META])
    above = [int((level > 0).sum()) for level in logits]
    kept = sum(min(count, nms_pre if nms_pre > 0 else count) for count in above)
    cut = sum(above) - kept
    assert dict(head.cuts.boxes) == ({'nms_pre': cut} if cut else {})
    assert len(warnings) == bool(cut)
    # Equal boxes fall to NMS even at 1 only if they are the same; anchors clipped at the border.
    assert len(found) <= kept
    assert nms_pre != -1 or len(found) == kept


def test_anchors_are_generated_once_per_shape():
    head = make_head(cached_shapes=1)
    outputs = head.eval()(features())
    head.loss_by_feat(*outputs, [truth()] * 2, [META] * 2)
    [key] = head.prior_generator._kept
    first = head.prior_generator._kept[key][0]
    head.predict_by_feat(*outputs, batch_img_metas=[META] * 2)
    assert head.prior_generator._kept[key][0] is first
    assert copy.deepcopy(head).prior_generator.num_levels == 5


def detector(**head):
    return ConfigDict(
        type='mmdet.SingleStageDetector',
        data_preprocessor=dict(
            type='DetDataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3, pad_size_divisor=64
        ),
        backbone=dict(
            type='ResNet', depth=18, base_channels=8, frozen_stages=-1, init_cfg=None,
            norm_cfg=dict(type='BN'), norm_eval=False,
        ),
        neck=[
            dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5),
            dict(
                type='BFP', in_channels=16, num_levels=5, refine_level=3, refine_type='non_local'
            ),
        ],
        bbox_head=dict(
            type='mmdefect.SharedTowerHead', in_channels=16, feat_channels=16,
            anchor_generator=ANCHORS, **head,
        ),
        train_cfg=TRAIN, test_cfg=TEST,
    )  # fmt: skip


def test_a_detector_trains_and_predicts():
    """P6 is the FPN's stride-2 pooling, pyramid attention MMDetection's BFP."""
    from mmdet.structures import DetDataSample
    from mmdet.utils import register_all_modules

    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(detector(learn_temperature=True))
    boxes = truth((16, 24, 40, 56), (40, 24, 64, 56), (64, 24, 88, 56))
    sample = DetDataSample(metainfo={**META, 'batch_input_shape': (128, 128)}, gt_instances=boxes)
    clean = DetDataSample(metainfo=sample.metainfo, gt_instances=truth())
    pixels = torch.zeros(3, 128, 128, dtype=torch.uint8)
    pixels[:, 24:56, 16:88] = 200
    batch = dict(inputs=[pixels, pixels * 0], data_samples=[sample, clean])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    history = []
    for _ in range(3):
        losses = model(**model.data_preprocessor(copy.deepcopy(batch), True), mode='loss')
        loss, values = model.parse_losses(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[2] < history[0]
    assert values['temperature'] != 1 and math.isfinite(values['temperature'])
    model.bbox_head.test_cfg.score_thr = 0.0
    found, nothing = (item.pred_instances for item in model.eval().test_step(batch))
    assert 0 < len(found) <= 300 and found.bboxes.isfinite().all()
    model.bbox_head.test_cfg.score_thr = 0.999
    assert not any(len(item.pred_instances) for item in model.test_step(batch))
    assert len(nothing) <= 300


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(stacked_convs=0), 'stacked_convs must be a whole number from 1 on, got 0'),
        (dict(cached_shapes=-1), 'cached_shapes must be a whole number from 0 on, got -1'),
        (dict(temperature=0), 'temperature must be finite and above 0, got 0'),
        (dict(temperature=float('nan')), 'temperature must be finite'),
        (dict(prior_prob=1), 'prior_prob must be above 0 and below 1, got 1'),
        (dict(loss_cls=dict(type='CrossEntropyLoss')), 'loss_cls must have use_sigmoid=True'),
        (dict(temperature='1'), "temperature must be finite and above 0, got '1'"),
        (dict(prior_prob='.1'), "prior_prob must be above 0 and below 1, got '.1'"),
        (dict(test_cfg=dict(TEST, size_rnage=(1, 2))), "test_cfg: unknown key 'size_rnage'; did"),
        (dict(test_cfg=dict(TEST, size_range=5)), 'test_cfg.size_range must be .* got 5'),
        (dict(test_cfg=dict(TEST, ios_thr='.6')), "test_cfg.ios_thr must be .* got '.6'"),
        (dict(test_cfg=dict(TEST, size_range=(9, 3))), 'test_cfg.size_range must be'),
        (dict(test_cfg=dict(TEST, ios_thr=0)), 'test_cfg.ios_thr must be above 0'),
        (dict(temprature=2), "unknown key 'temprature'; did you mean 'temperature'"),
    ],
)
def test_bad_keys(changes, message):
    with pytest.raises(InputError, match=message):
        make_head(**changes)
