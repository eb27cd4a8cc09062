from __future__ import annotations

import copy

import pytest
import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdefect.engine.precision import autocast_layers
from mmdefect.errors import InputError
from mmdefect.models import FocalRPNHead

GAMMA, ALPHA, WEIGHT = 2.5, 0.75, 3.0
FOCAL = dict(type='FocalLoss', use_sigmoid=True, gamma=GAMMA, alpha=ALPHA, loss_weight=WEIGHT)
STOCK = dict(
    in_channels=4,
    feat_channels=4,
    anchor_generator=dict(
        type='mmdefect.DefectAnchorGenerator', strides=[8, 16], scales=[2], ratios=[0.45, 1, 2],
        ratio_order='w/h',
    ),
    loss_bbox=dict(type='L1Loss', loss_weight=2.0),
)  # fmt: skip
TRAIN = dict(
    assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
    sampler=dict(type='PseudoSampler'),
    allowed_border=-1,
    pos_weight=-1,
)
TEST = ConfigDict(
    nms_pre=30, max_per_img=9, min_bbox_size=0, nms=dict(type='nms', iou_threshold=0.7)
)
META = dict(img_shape=(48, 64), pad_shape=(48, 64), batch_input_shape=(48, 64))
# One like an anchor, one between two, and one pixel.
BOXES = [[20.0, 13, 31, 37], [33, 8, 60, 30], [40, 40, 41, 41]]


def make_head(kind=FocalRPNHead, seed=0, **changes):
    register_all_modules()
    options = {**copy.deepcopy(STOCK), 'loss_cls': FOCAL, 'train_cfg': ConfigDict(TRAIN)}
    head = kind(**{**options, **changes})
    torch.manual_seed(seed)
    for weight in head.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return head


def features(images, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(images, 4, 48 // side, 64 // side, generator=generator) for side in (8, 16)]


def losses_of(head, *images, outputs=None):
    truth = [
        InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            labels=torch.zeros(len(boxes), dtype=torch.int64),
        )
        for boxes in images
    ]
    outputs = head(features(len(images))) if outputs is None else outputs
    losses = head.loss_by_feat(*outputs, truth, [META] * len(images))
    return {name: sum(parts) for name, parts in losses.items()}


def flat(levels, width):
    """Outputs of all levels in the order of the anchors, shape (images, anchors, width)."""
    parts = [
        level.permute(0, 2, 3, 1).reshape(len(level), -1, width) for level in levels
    ]  # fmt: skip
    return torch.cat(parts, dim=1).detach().double().tolist()


@pytest.mark.parametrize(
    'images', [[BOXES], [BOXES, []], [[], BOXES[1:2], BOXES[2:]], [[]]],
    ids=['one', 'with a clean one', 'three', 'clean'],
)  # fmt: skip
def test_losses_against_a_slow_reference(reference, images):
    head = make_head()
    scores, deltas = head(features(len(images)))
    anchors = torch.cat(head.prior_generator.grid_priors([(6, 8), (3, 4)], device='cpu')).tolist()
    classification = regression = positives = 0
    for boxes, logits, offsets in zip(images, flat(scores, 1), flat(deltas, 4), strict=True):
        owners = reference.assign(anchors, boxes, 0.7, 0.3)
        weights = [float(owner is not None) for owner in owners]
        labels = [0 if owner is not None and owner >= 0 else 1 for owner in owners]
        classification += reference.focal_sum(logits, labels, weights, GAMMA, ALPHA)
        for anchor, owner, offset in zip(anchors, owners, offsets, strict=True):
            if owner is not None and owner >= 0:
                target = reference.encode(anchor, boxes[owner])
                regression += sum(abs(a - b) for a, b in zip(offset, target, strict=True))
                positives += 1
    # One pixel is below the least overlap of a positive.
    assert positives >= len([box for boxes in images for box in boxes if box != BOXES[2]])
    found = losses_of(head, *images)
    divisor = max(positives, 1)
    assert found['loss_rpn_cls'].item() == pytest.approx(WEIGHT * classification / divisor, 1e-5)
    assert found['loss_rpn_bbox'].item() == pytest.approx(2 * regression / divisor, 1e-5)


@pytest.mark.parametrize('images', [[[]], [[], []]], ids=['one', 'a batch'])
def test_clean_images_teach_the_objectness_and_nothing_else(images):
    head = make_head()
    found = losses_of(head, *images)
    assert found['loss_rpn_cls'].item() > 0 and found['loss_rpn_bbox'].item() == 0
    sum(found.values()).backward()
    assert head.rpn_cls.weight.grad.abs().sum() > 0
    assert head.rpn_reg.weight.grad.abs().sum() == 0


@pytest.mark.parametrize('least', [0.3, 0.0])
def test_a_box_of_one_pixel(least):
    """Anchors are far larger; with a least overlap of 0 the best one still counts."""
    assigner = {**TRAIN['assigner'], 'min_pos_iou': least}
    head = make_head(train_cfg=ConfigDict({**TRAIN, 'assigner': assigner}))
    found = losses_of(head, BOXES[2:])
    assert all(bool(value.isfinite()) for value in found.values())
    assert (found['loss_rpn_bbox'].item() > 0) == (least == 0)
    sum(found.values()).backward()
    assert all(bool(weight.grad.isfinite().all()) for weight in head.parameters())


def test_a_clean_image_beside_it_does_not_halve_the_box_loss():
    head = make_head()
    outputs = head(features(2))
    first = [[level[:1] for level in levels] for levels in outputs]
    alone = losses_of(head, BOXES[:1], outputs=first)
    beside = losses_of(head, BOXES[:1], [], outputs=outputs)
    assert alone['loss_rpn_bbox'].item() == pytest.approx(beside['loss_rpn_bbox'].item(), 1e-6)
    # The stock divisor counts every image as one positive at least.
    stock = make_head(RPNHead)
    alone = losses_of(stock, BOXES[:1], outputs=first)
    beside = losses_of(stock, BOXES[:1], [], outputs=outputs)
    assert alone['loss_rpn_bbox'].item() > 1.05 * beside['loss_rpn_bbox'].item()


def test_every_anchor_starts_at_the_prior():
    for prior in (0.01, 0.2):
        head = make_head(prior_prob=prior)
        head.init_weights()
        assert head.rpn_cls.bias.sigmoid().tolist() == pytest.approx([prior] * 3)
        assert head.rpn_cls.weight.std().item() == pytest.approx(0.01, rel=0.5)
        assert head.rpn_reg.bias.abs().sum() == 0
    # One that is given is the whole.
    head = make_head(init_cfg=dict(type='Constant', layer='Conv2d', val=0.5, bias=0.25))
    head.init_weights()
    assert head.rpn_cls.bias.tolist() == [0.25] * 3


def test_proposals_are_those_of_the_stock_head():
    ours, stock = make_head(), make_head(RPNHead)
    stock.load_state_dict(ours.state_dict())
    proposals = [
        head.predict_by_feat(*head(features(2)), batch_img_metas=[META] * 2, cfg=TEST)
        for head in (ours, stock)
    ]
    for mine, theirs in zip(*proposals, strict=True):
        assert len(mine) == 9
        assert torch.equal(mine.bboxes, theirs.bboxes) and torch.equal(mine.scores, theirs.scores)


@pytest.mark.parametrize('images', [[BOXES, BOXES[:1]], [[], []]], ids=['boxes', 'clean'])
def test_bfloat16_layers_and_float32_agree(images):
    head = make_head()
    exact = losses_of(head, *images)
    wrapper = torch.nn.ModuleDict({'rpn_head': head})
    with autocast_layers(wrapper, 'cpu', torch.bfloat16):
        outputs = head(features(len(images)))
        low = losses_of(head, *images, outputs=outputs)
    assert {level.dtype for levels in outputs for level in levels} == {torch.float32}
    for name, value in exact.items():
        assert low[name].dtype == torch.float32
        assert low[name].item() == pytest.approx(value.item(), rel=0.02)


def test_learns_to_propose_a_box():
    head = make_head()
    head.init_weights()
    optimiser = torch.optim.AdamW(head.parameters(), 0.02)
    inputs = features(1)
    for _ in range(150):
        optimiser.zero_grad()
        sum(losses_of(head, BOXES[:2], outputs=head(inputs)).values()).backward()
        optimiser.step()
    (found,) = head.predict_by_feat(*head(inputs), batch_img_metas=[META], cfg=TEST)
    errors = (found.bboxes[:, None] - torch.tensor(BOXES[:2])).abs().amax(-1)
    assert errors[:2].amin(0).max() < 3  # the two best proposals are the two boxes
    assert found.scores[:2].min() > 0.4 > found.scores[2:].max()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'prior_prob': 0}, 'prior_prob must be above 0 and below 1, got 0'),
        ({'prior_prob': 1.5}, 'prior_prob must be above 0 and below 1, got 1.5'),
        ({'num_classes': 5}, r'num_classes must be 1 \(object or not\), got 5; leave it out'),
        ({'loss_cls': dict(type='CrossEntropyLoss')}, "FocalLoss, got 'CrossEntropyLoss'"),
        ({'loss_cls': {**FOCAL, 'gama': 2}}, "loss_cls: unknown key 'gama'; did you mean 'gamma'"),
        (
            {'train_cfg': {**TRAIN, 'sampler': dict(type='RandomSampler', num=9, pos_fraction=1)}},
            'train_cfg.sampler must be a PseudoSampler, as all anchors count, got RandomSampler',
        ),
        ({'prior': 0.1}, "unknown key 'prior'; did you mean 'prior_prob'?"),
        ({'feat_chanels': 4}, "unknown key 'feat_chanels'; did you mean 'feat_channels'?"),
    ],
)
def test_bad_config(change, message):
    register_all_modules()
    options = {**copy.deepcopy(STOCK), 'loss_cls': FOCAL, 'train_cfg': TRAIN, **change}
    with pytest.raises(InputError, match=f'^FocalRPNHead: .*{message}'):
        MODELS.build(ConfigDict(type='mmdefect.FocalRPNHead', **options))


def test_without_a_sampler_all_anchors_count_too():
    train_cfg = ConfigDict({key: TRAIN[key] for key in TRAIN if key != 'sampler'})
    with_sampler, without = make_head(), make_head(train_cfg=train_cfg)
    assert losses_of(with_sampler, BOXES) == losses_of(without, BOXES)
    assert make_head(train_cfg=None).prior_generator.num_levels == 2
