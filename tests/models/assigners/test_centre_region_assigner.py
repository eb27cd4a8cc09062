from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import TASK_UTILS
from mmengine.structures import InstanceData

from mmdefect.errors import InputError
from mmdefect.models import CentreRegionAssigner

THRESHOLDS = dict(pos_iou_thr=0.5, neg_iou_thr=0.4)
NOWHERE = torch.tensor([[900.0, 900, 950, 950]])


def assign(assigner, priors, boxes, ignored=None, labels=None):
    labels = torch.arange(len(boxes)) % 5 if labels is None else labels
    ignored = None if ignored is None else InstanceData(bboxes=ignored)
    truth = InstanceData(bboxes=boxes, labels=labels)
    return assigner.assign(InstanceData(priors=priors), truth, ignored)


def check_same(priors, boxes, ignored=None, **options):
    """Ours and MMDetection's agree to the bit."""
    expected = assign(MaxIoUAssigner(**options), priors, boxes, ignored)
    found = assign(CentreRegionAssigner(**options), priors, boxes, ignored)
    for key in ('gt_inds', 'max_overlaps', 'labels'):
        ours, theirs = getattr(found, key), getattr(expected, key)
        assert ours.dtype == theirs.dtype, key
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True, msg=key)
    assert found.num_gts == expected.num_gts
    return found


def random_boxes(count, size, generator, whole=False):
    """Boxes in an image of 200 px; whole ones and small numbers of them give ties."""
    corner = torch.rand(count, 2, generator=generator) * 180
    side = torch.rand(count, 2, generator=generator) * size
    boxes = torch.cat([corner, corner + side], 1)
    return (boxes / 16).round() * 16 if whole else boxes


def anchors(size=200, strides=(8, 16, 32)):
    generator = AnchorGenerator(strides=strides, ratios=[0.5, 1.0, 2.0], scales=[1, 2, 4])
    return torch.cat(generator.grid_priors([(size // s, size // s) for s in strides], device='cpu'))


OPTIONS = st.fixed_dictionaries(
    dict(
        pos_iou_thr=st.sampled_from([0.0, 0.3, 0.5, 1 / 3]),
        neg_iou_thr=st.sampled_from([0.0, 0.3, 0.4, (0.1, 0.3), 1 / 7]),
        min_pos_iou=st.sampled_from([0.0, 0.1, 0.3, 0.5]),
        gt_max_assign_all=st.booleans(),
        match_low_quality=st.booleans(),
        ignore_iof_thr=st.sampled_from([-1, 0.2, 0.5]),
        ignore_wrt_candidates=st.booleans(),
    )
)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**31), options=OPTIONS, whole=st.booleans(), regular=st.booleans(),
    number=st.sampled_from([0, 1, 63, 64, 65, 300]), boxes=st.sampled_from([0, 1, 2, 7, 40]),
    ignored=st.sampled_from([None, 0, 1, 5]), size=st.sampled_from([1.0, 20.0, 150.0]),
    repeat=st.booleans(),
)  # fmt: skip
def test_same_as_mmdetection(seed, options, whole, regular, number, boxes, ignored, size, repeat):
    generator = torch.Generator().manual_seed(seed)
    priors = anchors() if regular else random_boxes(number, 60, generator, whole)
    truth = random_boxes(boxes, size, generator, whole)
    if repeat:
        truth = torch.cat([truth, truth, NOWHERE])
        priors = torch.cat([priors, priors.flip(0)])
    ignore = None if ignored is None else random_boxes(ignored, 90, generator, whole)
    # IoU are floats in the config only; MMDetection takes a whole number for no threshold.
    check_same(priors, truth, ignore, **options)


SQUARE = [[0.0, 0, 16, 16]]
EDGES = {
    'box far away takes all': (anchors(), NOWHERE, None),
    'boxes far away, one near': (anchors(), torch.cat([NOWHERE, anchors()[:1], NOWHERE]), None),
    'all boxes equal': (anchors(), torch.tensor(SQUARE * 30), None),
    'all priors equal': (torch.tensor(SQUARE * 200), torch.tensor(SQUARE * 3), None),
    'one-pixel box': (anchors(), torch.tensor([[50.0, 50, 51, 51]]), None),
    'zero area': (torch.tensor([*SQUARE, [3.0, 3, 3, 9]]), torch.tensor([[3.0, 3, 3, 9]]), None),
    'reversed corners': (anchors(), torch.tensor([[60.0, 60, 20, 80], [9, 9, 4, 4]]), None),
    'all ignored': (anchors(), anchors()[:3], torch.tensor([[-500.0, -500, 900, 900]])),
    'box beyond the image': (anchors(), torch.tensor([[-90.0, -90, 20, 20]]), None),
    'NaN box': (anchors(), torch.tensor([[float('nan')] * 4, [0, 0, 16, 16]]), None),
    'NaN prior': (torch.tensor([*SQUARE, [float('nan'), 0, 4, 4]]), torch.tensor(SQUARE), None),
    'endless boxes': (
        torch.tensor([*SQUARE, [50.0, 0, 60, float('inf')]]),
        torch.tensor([[0.0, 0, 9, float('inf')], [0, 0, 9, 9]]),
        None,
    ),
    'huge boxes': (anchors() * 1e17, anchors()[5:8] * 1e17, None),
    'float64': (anchors().double(), anchors()[7:9].double() + 1, None),
    'float64 boxes': (anchors(), anchors()[7:9].double() + 1, None),
    'float16': (anchors().half(), (anchors()[7:9] + 1).half(), None),
    'with scores': (torch.cat([anchors(), torch.ones(len(anchors()), 1)], 1), anchors()[:2], None),
    'many boxes': (anchors(), anchors()[::20] + 1, None),
}  # fmt: skip


@pytest.mark.parametrize('every', [True, False])
@pytest.mark.parametrize('case', EDGES)
def test_same_at_the_edges(case, every):
    priors, boxes, ignored = EDGES[case]
    for lowest in (0.0, 0.2):
        check_same(
            priors, boxes, ignored, **THRESHOLDS, min_pos_iou=lowest, gt_max_assign_all=every,
            ignore_iof_thr=0.5,
        )  # fmt: skip


def test_box_types_are_read():
    boxes = anchors()[:4] + 1
    plain = assign(CentreRegionAssigner(**THRESHOLDS), anchors(), boxes)
    typed = assign(
        CentreRegionAssigner(**THRESHOLDS), HorizontalBoxes(anchors()), HorizontalBoxes(boxes)
    )
    assert torch.equal(plain.gt_inds, typed.gt_inds)


def test_no_box_is_all_background():
    for ratio in (None, 3):
        result = assign(
            CentreRegionAssigner(**THRESHOLDS, neg_pos_ratio=ratio, min_negatives=10),
            anchors(), torch.zeros(0, 4),
        )  # fmt: skip
        assert (result.labels == -1).all() and (result.max_overlaps == 0).all()
        expected = len(anchors()) if ratio is None else 10
        assert (result.gt_inds == 0).sum() == expected
        assert (result.gt_inds == -1).sum() == len(anchors()) - expected


def by_hand(priors, boxes, ratio, pos, neg):
    """Centre sampling, one pair at a time."""
    found = []
    for x1, y1, x2, y2 in priors.tolist():
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        best, owner, overall = -1.0, 0, 0.0
        for index, (bx1, by1, bx2, by2) in enumerate(boxes.tolist()):
            w, h = min(x2, bx2) - max(x1, bx1), min(y2, by2) - max(y1, by1)
            common = max(w, 0) * max(h, 0)
            iou = common / ((x2 - x1) * (y2 - y1) + (bx2 - bx1) * (by2 - by1) - common)
            overall = max(overall, iou)
            inside = abs(cx - (bx1 + bx2) / 2) <= ratio / 2 * (bx2 - bx1) and abs(
                cy - (by1 + by2) / 2
            ) <= ratio / 2 * (by2 - by1)
            if inside and iou >= pos and iou > best:
                best, owner = iou, index + 1
        found.append(owner or (0 if overall < neg else -1))
    return found


@pytest.mark.parametrize('ratio', [0.3, 0.6, 1.0])
@pytest.mark.parametrize('neg', [0.3, 0.5])
def test_centre_sampling_by_hand(ratio, neg):
    generator = torch.Generator().manual_seed(3)
    boxes = random_boxes(15, 60, generator).double() + 3
    boxes[:, 2:] += 4
    priors = anchors().double()[::7]
    assigner = CentreRegionAssigner(0.3, neg, match_low_quality=False, centre_ratio=ratio)
    result = assign(assigner, priors, boxes)
    assert result.gt_inds.tolist() == by_hand(priors, boxes, ratio, 0.3, neg)
    assert torch.equal(result.labels == -1, result.gt_inds <= 0)


def test_between_touching_products():
    """Anchors of the right size along a shelf of three: without centres all are positive."""
    boxes = torch.tensor([[0.0, 0, 60, 90], [60, 0, 120, 90], [120, 0, 180, 90]])
    left = torch.arange(0.0, 121, 5)
    priors = torch.stack([left, left * 0, left + 60, left * 0 + 90], 1)
    options = dict(pos_iou_thr=0.3, neg_iou_thr=0.3, min_pos_iou=0.3)
    assert (assign(CentreRegionAssigner(**options), priors, boxes).gt_inds > 0).all()
    options.update(neg_iou_thr=0.5, centre_ratio=0.5)
    found = assign(CentreRegionAssigner(**options), priors, boxes).gt_inds.tolist()
    # Within 15 px of a product's middle: its own; IoU .5 at 20 px: neither; else background.
    near = [1] * 4 + [-1] + [0] * 3 + [-1] + [2] * 7 + [-1] + [0] * 3 + [-1] + [3] * 4
    assert found == near


def test_a_small_box_keeps_its_best_priors_outside_its_centre():
    boxes = torch.tensor([[13.0, 13, 19, 19]])
    found = assign(
        CentreRegionAssigner(0.3, 0.5, min_pos_iou=0.01, centre_ratio=0.5),
        torch.tensor([[0.0, 0, 16, 16], [64, 64, 80, 80]]), boxes,
    )  # fmt: skip
    assert found.gt_inds.tolist() == [1, 0]


def test_balance_keeps_the_drawn_background():
    boxes = anchors()[100:120] + 1
    everything = assign(CentreRegionAssigner(**THRESHOLDS), anchors(), boxes).gt_inds
    assigner = CentreRegionAssigner(**THRESHOLDS, neg_pos_ratio=2.5, min_negatives=0)
    draws = []
    for _ in range(2):
        torch.manual_seed(7)
        draws.append([assign(assigner, anchors(), boxes).gt_inds for _ in range(2)])
    first, second = draws[0]
    assert torch.equal(first, draws[1][0]) and torch.equal(second, draws[1][1])
    assert not torch.equal(first, second)
    for drawn in draws[0]:
        positives = int((everything > 0).sum())
        assert torch.equal(drawn[everything != 0], everything[everything != 0])
        assert (drawn == 0).sum() == int(2.5 * positives)
    many = CentreRegionAssigner(**THRESHOLDS, neg_pos_ratio=1e6)
    assert torch.equal(assign(many, anchors(), boxes).gt_inds, everything)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(pos_iou_thr=1.2), 'pos_iou_thr must be in 0..1, got 1.2'),
        (dict(pos_iou_thr=float('nan')), 'pos_iou_thr must be'),
        (dict(neg_iou_thr=(0.4, 0.1)), 'neg_iou_thr must be'),
        (dict(neg_iou_thr=(0.1, 0.2, 0.3)), 'neg_iou_thr must be'),
        (dict(neg_iou_thr=-0.1), 'neg_iou_thr must be'),
        (dict(min_pos_iou=-1), 'min_pos_iou must be in 0..1'),
        (dict(centre_ratio=0), 'centre_ratio must be above 0 and at most 1, got 0'),
        (dict(neg_pos_ratio=0), 'neg_pos_ratio must be finite and above 0, got 0'),
        (dict(neg_pos_ratio=float('inf')), 'neg_pos_ratio must be finite'),
        (dict(min_negatives=-1), 'min_negatives must be a whole number >= 0, got -1'),
        (dict(center_ratio=0.5), "unknown key 'center_ratio'; did you mean 'centre_ratio'?"),
    ],
)
def test_bad_keys(changes, message):
    with pytest.raises(InputError, match=message.replace('?', r'\?')):
        CentreRegionAssigner(**{**THRESHOLDS, **changes})
    with pytest.raises(InputError, match='pos_iou_thr'):
        CentreRegionAssigner(neg_iou_thr=0.3)


def test_built_by_prefix():
    built = TASK_UTILS.build(dict(type='mmdefect.CentreRegionAssigner', **THRESHOLDS))
    assert isinstance(built, CentreRegionAssigner)


@pytest.mark.skipif(sys.platform != 'linux', reason='reads the peak memory of /proc')
def test_memory_does_not_grow_with_the_boxes():
    """500,000 anchors: the matrix of 150 boxes alone has 300 MB; the result has 10 MB."""

    def status(key):
        lines = Path('/proc/self/status').read_text().splitlines()
        return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024

    priors = anchors(1500, (4, 8))[:500_000].contiguous()
    extra = []
    for count in (5, 150):
        boxes = random_boxes(count, 60, torch.Generator().manual_seed(0)) * 7
        Path('/proc/self/clear_refs').write_text('5')
        before = status('VmRSS')
        assign(CentreRegionAssigner(**THRESHOLDS, centre_ratio=0.5), priors, boxes)
        extra.append(status('VmHWM') - before)
    assert max(extra) < 60
