from __future__ import annotations

import copy
import itertools
from types import SimpleNamespace

import pytest
import torch
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict

from mmdefect.engine.precision import autocast_layers
from mmdefect.errors import InputError
from mmdefect.models import FocalBBoxHead

GAMMA, ALPHA, WEIGHT = 3.5, 0.75, 2.5
FOCAL = dict(type='FocalLoss', use_sigmoid=True, gamma=GAMMA, alpha=ALPHA, loss_weight=WEIGHT)
CUSTOM = dict(type='FocalCustomLoss', num_classes=4, gamma=GAMMA, alpha=ALPHA, loss_weight=WEIGHT)
STDS = (0.1, 0.1, 0.2, 0.2)
CLASSES = 4
META = dict(img_shape=(120, 220), scale_factor=(2.0, 2.0))
TEST = ConfigDict(score_thr=0.001, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)
TRAIN = ConfigDict(pos_weight=-1)
# The box of each class, away from those of the others, and where its RoI lies.
BOXES = torch.tensor([[10.0, 10, 30, 50], [60, 10, 90, 30], [110, 20, 120, 90], [150, 60, 190, 95]])
ROIS = BOXES + torch.tensor([2.0, -3, 4, 1])
AGNOSTIC = pytest.mark.parametrize('agnostic', [False, True], ids=['specific', 'agnostic'])


def make_head(kind=FocalBBoxHead, seed=0, **changes):
    register_all_modules()
    torch.manual_seed(seed)
    options = dict(
        num_classes=CLASSES, in_channels=5, roi_feat_size=1, fc_out_channels=16,
        loss_cls=copy.deepcopy(FOCAL), loss_bbox=dict(type='L1Loss', loss_weight=0.5),
    )  # fmt: skip
    head = kind(**{**options, **changes})
    for weight in head.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return head


def results(*images):
    """Sampling results: per image positive RoIs with boxes and labels, then background RoIs."""
    return [
        SimpleNamespace(
            pos_priors=positive[0], pos_gt_bboxes=positive[1], pos_gt_labels=positive[2],
            neg_priors=negative,
        )
        for positive, negative in images
    ]  # fmt: skip


NOTHING = (torch.zeros(0, 4), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
FOUR = (ROIS, BOXES, torch.arange(CLASSES))
BACKGROUND = torch.tensor([[0.0, 60, 40, 99], [100, 0, 109, 9], [40, 70, 60, 90]])


def losses_of(head, sampled, outputs=None, seed=1):
    rois = torch.cat([torch.cat([item.pos_priors, item.neg_priors]) for item in sampled])
    counts = [len(item.pos_priors) + len(item.neg_priors) for item in sampled]
    image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    if outputs is None:
        generator = torch.Generator().manual_seed(seed)
        outputs = head(torch.randn(len(rois), 5, 1, 1, generator=generator))
    rois = torch.cat([image[:, None].float(), rois], dim=1)
    return head.loss_and_target(*outputs, rois, sampled, TRAIN)['loss_bbox']


def predict(head, outputs, rois=ROIS, test_cfg=TEST, **options):
    rois = torch.cat([torch.zeros(len(rois), 1), rois], dim=1)
    scores, deltas = outputs
    return head.predict_by_feat((rois,), (scores,), (deltas,), [META], test_cfg, **options)[0]


@AGNOSTIC
@pytest.mark.parametrize('found', range(CLASSES))
def test_each_class_is_found_with_its_own_box(agnostic, found):
    """Written outputs: one RoI is sure of one class, and every class has another box for it."""
    head = make_head(reg_class_agnostic=agnostic)
    logits = torch.full((CLASSES, CLASSES), -6.0)
    logits[found, found] = 2.0
    wanted = torch.stack([BOXES] * CLASSES, dim=1)  # RoI, class
    wanted = wanted + torch.arange(CLASSES)[None, :, None] * 3.0
    rois = ROIS[:, None].expand_as(wanted).reshape(-1, 4)
    deltas = head.bbox_coder.encode(rois, wanted.reshape(-1, 4)).view(CLASSES, CLASSES, 4)
    deltas = deltas[:, 0] if agnostic else deltas.flatten(1)
    result = predict(head, (logits, deltas))
    best = result[result.scores > 0.5]
    assert best.labels.tolist() == [found]
    assert best.scores.item() == pytest.approx(torch.tensor(2.0).sigmoid().item(), abs=1e-6)
    expected = BOXES[found] + (0 if agnostic else 3.0 * found)
    torch.testing.assert_close(best.bboxes[0], expected, rtol=0, atol=0.02)
    # In pixels of the image before it was made twice as large.
    small = predict(head, (logits, deltas), rescale=True)
    torch.testing.assert_close(small[small.scores > 0.5].bboxes[0], expected / 2, rtol=0, atol=0.02)


def train_on_four_boxes(head, steps=120):
    """Learn the four boxes and the background from fixed, distinct features."""
    inputs = torch.cat([torch.eye(5)[:CLASSES], torch.eye(5)[CLASSES:].repeat(len(BACKGROUND), 1)])
    inputs = inputs[:, :, None, None] * 3
    optimiser = torch.optim.Adam(head.parameters(), 0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        losses = losses_of(head, results((FOUR, BACKGROUND)), head(inputs))
        sum(value.sum() for name, value in losses.items() if 'loss' in name).backward()
        optimiser.step()
    with torch.no_grad():
        return head(inputs)


@AGNOSTIC
def test_training_and_prediction_agree(agnostic):
    head = make_head(reg_class_agnostic=agnostic)
    outputs = train_on_four_boxes(head)
    result = predict(head, outputs, torch.cat([ROIS, BACKGROUND]))
    sure = result[result.scores >= 0.5]
    assert sorted(sure.labels.tolist()) == list(range(CLASSES))
    torch.testing.assert_close(sure.bboxes, BOXES[sure.labels], rtol=0, atol=2.0)
    # The scores are the sigmoids that were trained.
    sigmoids = outputs[0].sigmoid()
    assert sure.scores.tolist() == pytest.approx(
        [sigmoids[label, label].item() for label in sure.labels.tolist()], abs=1e-6
    )
    assert sigmoids[CLASSES:].max() < 0.5


def test_trap_one_of_the_stock_head_with_focal_loss():
    """It shows the softmax of what it trained as sigmoids: scores that nothing was fitted to."""
    scores, deltas = train_on_four_boxes(make_head(Shared2FCBBoxHead))
    assert scores.shape[1] == CLASSES + 1
    trained = scores.sigmoid()
    result = predict(make_head(Shared2FCBBoxHead), (scores, deltas), torch.cat([ROIS, BACKGROUND]))
    # Not a score of what was found is the sigmoid that was trained for it.
    for label, score in zip(result.labels[:CLASSES], result.scores[:CLASSES], strict=True):
        assert (trained[:, label] - score).abs().min() > 0.01


@AGNOSTIC
def test_trap_one_of_the_stock_head_with_custom_focal_loss(agnostic):
    """The last class vanishes; with one box per class, boxes come from elsewhere too."""
    head = make_head(Shared2FCBBoxHead, loss_cls=CUSTOM, reg_class_agnostic=agnostic)
    outputs = train_on_four_boxes(head)
    assert outputs[0].shape[1] == CLASSES
    assert outputs[0].sigmoid()[CLASSES - 1, CLASSES - 1] > 0.5  # learned all the same
    result = predict(head, outputs, torch.cat([ROIS, BACKGROUND]))
    assert CLASSES - 1 not in result.labels.tolist()
    sure = result[result.scores > 0.5]
    assert sorted(sure.labels.tolist()) == list(range(CLASSES - 1))
    wrong = (sure.bboxes - BOXES[sure.labels]).abs().amax(1) > 5
    assert wrong.any() != agnostic


@AGNOSTIC
@pytest.mark.parametrize(
    'images',
    [[(FOUR, BACKGROUND)], [(FOUR, BACKGROUND), (NOTHING, BACKGROUND)], [(NOTHING, BACKGROUND)]],
    ids=['one', 'with a clean one', 'clean'],
)
def test_losses_against_a_slow_reference(reference, images, agnostic):
    head = make_head(reg_class_agnostic=agnostic)
    count = sum(len(positive[0]) + len(negative) for positive, negative in images)
    outputs = head(torch.randn(count, 5, 1, 1, generator=torch.Generator().manual_seed(3)))
    logits, deltas = (output.detach().double().tolist() for output in outputs)
    labels, regression, row = [], 0.0, 0
    for (rois, boxes, classes), negative in images:
        for roi, box, label in zip(rois.tolist(), boxes.tolist(), classes.tolist(), strict=True):
            start = 0 if agnostic else 4 * label
            target = reference.encode(roi, box, STDS)
            offsets = deltas[row][start : start + 4]
            regression += sum(abs(a - b) for a, b in zip(offsets, target, strict=True))
            row += 1
        row += len(negative)
        labels += [*classes.tolist(), *[CLASSES] * len(negative)]
    total = reference.focal_sum(logits, labels, [1.0] * count, GAMMA, ALPHA)
    positives = sum(label < CLASSES for label in labels)
    found = losses_of(head, results(*images), outputs)
    divisor = max(positives, 1)
    assert found['loss_cls'].item() == pytest.approx(WEIGHT * total / divisor, 1e-5)
    assert found['loss_bbox'].item() == pytest.approx(0.5 * regression / divisor, 1e-5)
    right = [
        max(row) < 0 if label == CLASSES else row.index(max(row)) == label and max(row) >= 0
        for row, label in zip(logits, labels, strict=True)
    ]
    assert found['acc'].item() == pytest.approx(100 * sum(right) / count)


@AGNOSTIC
@pytest.mark.parametrize('background', [BACKGROUND, BACKGROUND[:0]], ids=['RoIs', 'no RoI'])
def test_clean_images(agnostic, background):
    head = make_head(reg_class_agnostic=agnostic)
    found = losses_of(head, results((NOTHING, background), (NOTHING, background)))
    assert set(found) == {'loss_cls', 'loss_bbox', 'acc'}
    assert found['loss_bbox'].item() == 0
    assert (found['loss_cls'].item() > 0) == (len(background) > 0)
    (found['loss_cls'] + found['loss_bbox']).backward()
    # Every weight has a gradient, as distributed training wants.
    assert all(weight.grad is not None for weight in head.parameters())
    assert head.fc_reg.weight.grad.abs().sum() == 0


def test_a_box_of_one_pixel():
    head = make_head()
    pixel = torch.tensor([[40.0, 40, 41, 41]])
    positive = (pixel + torch.tensor([-0.2, 0, 0.3, 0.1]), pixel, torch.tensor([CLASSES - 1]))
    found = losses_of(head, results((positive, BACKGROUND)))
    assert found['loss_bbox'].item() > 0
    assert all(bool(value.isfinite().all()) for value in found.values())
    logits, deltas = torch.full((1, CLASSES), -9.0), torch.zeros(1, 4 * CLASSES)
    logits[0, -1] = 9
    result = predict(head, (logits, deltas), pixel)
    assert result.labels.tolist() == [CLASSES - 1]
    torch.testing.assert_close(result.bboxes, pixel)


def test_one_class():
    head = make_head(num_classes=1)
    result = predict(head, (torch.tensor([[3.0]]), torch.zeros(1, 4)), BOXES[:1])
    assert result.labels.tolist() == [0]
    torch.testing.assert_close(result.bboxes, BOXES[:1])


def test_weights_of_rois_and_boxes_act():
    head = make_head()
    sampled = results((FOUR, BACKGROUND))
    outputs = head(torch.randn(7, 5, 1, 1, generator=torch.Generator().manual_seed(3)))
    rois = torch.cat([torch.zeros(7, 1), ROIS.new_zeros(7, 4)], dim=1)
    labels, weights, targets, box_weights = head.get_targets(sampled, TRAIN)
    whole = head.loss(*outputs, rois, labels, weights, targets, box_weights)
    # Soft Teacher weighs its background RoIs.
    weights[labels == CLASSES] = 0
    box_weights[0] = 0
    part = head.loss(*outputs, rois, labels, weights, targets, box_weights)
    assert part['loss_cls'] < whole['loss_cls'] and part['loss_bbox'] < whole['loss_bbox']
    each = head.loss(
        *outputs, rois, labels, weights, targets, box_weights, reduction_override='none'
    )
    assert each['loss_cls'].shape == (7, CLASSES) and each['loss_bbox'].shape == (4, 4)
    assert each['loss_cls'].sum().item() / 4 == pytest.approx(part['loss_cls'].item(), 1e-5)


def test_background_scores():
    head = make_head()
    logits = torch.tensor([[-9.0, -9, -9, 0], [4, 1, -1, -2], [-9, -9, -9, -9]]).requires_grad_()
    found = head.background_scores(logits)
    assert found.tolist() == pytest.approx([0.5, 1 - 0.98201, 1.0], abs=2e-4)
    assert not found.requires_grad and head.background_scores(logits[:0]).shape == (0,)
    assert head.background_scores(logits.bfloat16()).dtype == torch.float32
    # Raw predictions, as Soft Teacher asks for them, carry it as last column.
    raw = predict(head, (logits.detach(), torch.zeros(3, 16)), ROIS[:3], test_cfg=None)
    assert raw.scores.shape == (3, CLASSES + 1) and raw.bboxes.shape == (3, 16)
    assert torch.equal(raw.scores[:, -1], found)
    assert torch.equal(raw.scores[:, :-1], logits.detach().sigmoid())
    empty = predict(head, (logits[:0], torch.zeros(0, 16)), ROIS[:0], test_cfg=None)
    assert empty.scores.shape == (0, CLASSES + 1)


def test_exclusive_scores():
    """Independent sigmoids, all 2^C outcomes, given that at most one class is there."""
    head = make_head(exclusive=True)
    logits = torch.tensor([[-9.0, -9, -9, 0], [4, 3.9, -1, -2], [-60, -60, -60, -60]])
    there = torch.tensor(list(itertools.product([0.0, 1.0], repeat=CLASSES)))
    odds = logits.double().sigmoid()
    outcomes = (there * odds[:, None] + (1 - there) * (1 - odds[:, None])).prod(2)
    alone = torch.cat([torch.eye(CLASSES), torch.zeros(1, CLASSES)])
    wanted = torch.stack(
        [outcomes[:, (there == outcome).all(1)].squeeze(1) for outcome in alone], dim=1
    )
    wanted = (wanted / wanted.sum(1, keepdim=True)).float()
    raw = predict(head, (logits, torch.zeros(3, 16)), ROIS[:3], test_cfg=None)
    torch.testing.assert_close(raw.scores, wanted, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(head.background_scores(logits), wanted[:, -1], rtol=1e-5, atol=0)
    # Two classes that cannot be told apart share a score.
    assert raw.scores[1, :2].sum() < 1 < logits[1, :2].sigmoid().sum()
    assert head.background_scores(logits[:0].bfloat16()).shape == (0,)
    # Training is the same.
    losses = [
        losses_of(one, results((FOUR, BACKGROUND)), (torch.zeros(7, 4), torch.zeros(7, 16)))
        for one in (head, make_head())
    ]
    assert losses[0]['loss_cls'] == losses[1]['loss_cls']


def test_boxes_regressed_decoded():
    head = make_head(
        reg_decoded_bbox=True, loss_bbox=dict(type='GIoULoss'), reg_class_agnostic=True
    )
    found = losses_of(head, results((FOUR, BACKGROUND)))
    assert 0 < found['loss_bbox'].item() < 2.5
    assert losses_of(head, results((NOTHING, BACKGROUND)))['loss_bbox'].item() == 0


def test_every_class_starts_at_the_prior():
    for prior in (0.01, 0.2):
        head = make_head(prior_prob=prior)
        head.init_weights()
        assert head.fc_cls.bias.sigmoid().tolist() == pytest.approx([prior] * CLASSES)
        assert head.fc_cls.weight.std().item() == pytest.approx(0.01, rel=0.5)
        assert head.fc_reg.weight.std().item() == pytest.approx(0.001, rel=0.5)
        assert head.shared_fcs[0].weight.std() > 0.1 and head.shared_fcs[1].bias.abs().sum() == 0
    head = make_head(init_cfg=dict(type='Constant', layer='Linear', val=0.5, bias=0.25))
    head.init_weights()
    assert head.fc_cls.bias.tolist() == [0.25] * CLASSES


def test_refined_boxes_of_a_cascade_keep_the_last_class():
    head = make_head()
    logits = torch.full((CLASSES, CLASSES), -6.0) + 9 * torch.eye(CLASSES)
    deltas = torch.zeros(CLASSES, CLASSES, 4)
    deltas[torch.arange(CLASSES), torch.arange(CLASSES)] = head.bbox_coder.encode(ROIS, BOXES)
    sampled = [SimpleNamespace(pos_is_gt=torch.zeros(0, dtype=torch.uint8))]
    given = dict(
        rois=torch.cat([torch.zeros(CLASSES, 1), ROIS], dim=1), cls_score=logits,
        bbox_pred=deltas.flatten(1), bbox_targets=(torch.full((CLASSES,), CLASSES),),
    )  # fmt: skip
    (refined,) = head.refine_bboxes(sampled, given, [META])
    torch.testing.assert_close(refined.bboxes, BOXES, rtol=0, atol=0.02)


@pytest.mark.parametrize('positive', [FOUR, NOTHING], ids=['boxes', 'clean'])
def test_bfloat16_layers_and_float32_agree(positive):
    head = make_head()
    sampled = results((positive, BACKGROUND))
    inputs = torch.randn(len(positive[0]) + 3, 5, 1, 1, generator=torch.Generator().manual_seed(2))
    exact = losses_of(head, sampled, head(inputs))
    with autocast_layers(torch.nn.ModuleDict({'bbox_head': head}), 'cpu', torch.bfloat16):
        outputs = head(inputs)
        low = losses_of(head, sampled, outputs)
    assert {output.dtype for output in outputs} == {torch.float32}
    for name in ('loss_cls', 'loss_bbox'):
        assert low[name].dtype == torch.float32
        assert low[name].item() == pytest.approx(exact[name].item(), rel=0.02)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'prior_prob': 0.0}, 'prior_prob must be above 0 and below 1, got 0.0'),
        ({'with_cls': False}, 'with_cls must be True, got False'),
        ({'exclusive': 'yes'}, "exclusive must be True or False, got 'yes'"),
        ({'loss_cls': dict(type='CrossEntropyLoss')}, "FocalLoss, got 'CrossEntropyLoss'; set"),
        ({'loss_cls': CUSTOM}, "FocalLoss, got 'FocalCustomLoss'"),
        ({'loss_cls': {**FOCAL, 'alfa': 1}}, "loss_cls: unknown key 'alfa'; did you mean 'alpha'"),
        ({'num_clases': 4}, "unknown key 'num_clases'; did you mean 'num_classes'?"),
        ({'prior_prb': 0.1}, "unknown key 'prior_prb'; did you mean 'prior_prob'?"),
        ({'fc_out_chanels': 4}, "'fc_out_chanels'; did you mean 'fc_out_channels'?"),
        # A key of a layer that the head does not have.
        ({'num_shared_fcs': 4}, "unknown key 'num_shared_fcs'"),
    ],
)
def test_bad_config(change, message):
    register_all_modules()
    options = dict(num_classes=CLASSES, in_channels=5, roi_feat_size=1, loss_cls=FOCAL)
    with pytest.raises(InputError, match=f'^FocalBBoxHead: .*{message}'):
        MODELS.build(ConfigDict(type='mmdefect.FocalBBoxHead', **{**options, **change}))
