from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdefect.engine.precision import autocast_layers
from mmdefect.errors import InputError
from mmdefect.models.pseudo_labels.roi_losses import roi_losses
from mmdefect.models.pseudo_labels.view_consensus import ConsensusCounts

KINDS = ('one_stage', 'two_stage', 'focal')
# Two boxes of 16 pixels per image that the teacher is said to find, in its own pixels.
PLACES = [[8.0, 8, 24, 24], [36.0, 30, 52, 46]]


def say(model, *images, spread=0.0):
    """Let the teacher find the given (box, score, label) in its images."""

    def find(teacher, features, samples, floor):
        assert len(samples) == len(images)
        found = []
        for image in images:
            boxes, scores, labels = zip(*image, strict=True) if image else ((), (), ())
            found.append(
                InstanceData(
                    bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
                    scores=torch.tensor(scores, dtype=torch.float32),
                    labels=torch.tensor(labels, dtype=torch.int64),
                    spread=torch.full((len(image),), spread),
                )
            )
        return found

    model.step.find = find
    if hasattr(model.step.uncertainty, 'times'):
        model.step.uncertainty.measure = lambda head, maps, boxes, *rest: boxes.new_zeros(
            len(boxes)
        )


def run(model, batch, seed=0):
    torch.manual_seed(seed)
    return model.loss(*batch)


def total(value):
    return float(sum(part.sum() for part in value) if isinstance(value, list) else value.sum())


@pytest.mark.parametrize('kind', KINDS)
def test_losses_are_finite_and_the_student_alone_gets_gradients(make_teacher, make_batch, kind):
    model = make_teacher(kind)
    say(model, [(PLACES[0], 0.9, 0)], [(PLACES[1], 0.8, 2), (PLACES[0], 0.7, 1)])
    losses = run(model, make_batch())
    loss, logged = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss) and all(np.isfinite(float(value)) for value in logged.values())
    assert all(total(losses[key]) > 0 for key in losses if key.startswith('unsup_loss'))
    assert all(weight.grad is not None for weight in model.student.parameters())
    assert all(weight.grad is None for weight in model.teacher.parameters())


def test_the_teacher_is_in_evaluation_mode_whatever_happens(make_teacher, make_batch):
    model = make_teacher('two_stage')
    assert model.student.training and not any(part.training for part in model.teacher.modules())
    model.eval().train()
    assert model.student.training and not any(part.training for part in model.teacher.modules())
    before = copy.deepcopy(model.teacher.state_dict())
    run(model, make_batch())
    after = model.teacher.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


# Scores .42, .37 and .32: each threshold alone decides about the middle one.
@pytest.mark.parametrize('kind', KINDS)
def test_every_threshold_changes_a_count(make_teacher, make_batch, kind):
    def counts(**thresholds):
        model = make_teacher(kind, thresholds=thresholds)
        say(model, [(PLACES[0], 0.42, 0), (PLACES[1], 0.37, 0)], [])
        seen = {}
        original = model.step.losses

        def spy(student, features, boxes, *rest):
            seen['regression'] = sum(int((image.reg_weights > 0).sum()) for image in boxes)
            return original(student, features, boxes, *rest)

        model.step.losses = spy
        losses = run(model, make_batch())
        seen['classification'] = int(losses['pseudo/count/dent'])
        seen['anchors'] = sum(
            int(value) for key, value in losses.items() if 'positives/level' in key
        )
        return seen

    stated = {} if kind == 'one_stage' else {'rpn': 0.35}
    base = counts(initial=0.4, cls=0.35, **stated)
    assert base == counts()
    assert base['regression'] == 1 and base['classification'] == 2
    assert counts(initial=0.36, cls=0.35, **stated) == {**base, 'regression': 2}
    fewer = counts(initial=0.4, cls=0.4, **stated)
    assert fewer['classification'] == 1 and fewer['regression'] == 1
    if kind != 'one_stage':
        assert fewer['anchors'] == base['anchors']
        stricter = counts(initial=0.4, cls=0.35, rpn=0.4)
        assert 0 < stricter.pop('anchors') < base.pop('anchors')
        assert stricter == base


# Heads that sample at random draw another sample.
@pytest.mark.parametrize('kind', ['one_stage', 'focal'])
def test_doubtful_boxes_may_teach_nothing(make_teacher, make_batch, kind):
    def losses(word, score):
        model = make_teacher(kind, policy=dict(clean_images='background', doubtful_boxes=word))
        say(model, [(PLACES[0], 0.9, 0), (PLACES[1], score, 0)], [])
        found = run(model, make_batch())
        return {
            name: total(value)
            for name, value in found.items()
            if name.startswith('unsup') and 'loss' in name or 'pseudo/' in name
        }

    names = ['unsup_loss_cls'] if kind == 'one_stage' else ['unsup_loss_rpn_cls', 'unsup_loss_cls']
    as_background, ignored = (losses(word, 0.25) for word in ('background', 'ignore'))
    for name in names:
        assert 0 < ignored[name] < as_background[name], name
    for name in set(ignored) - set(names):
        assert ignored[name] == pytest.approx(as_background[name]), name
    # Below doubtful_score nothing is in doubt.
    assert losses('ignore', 0.15) == pytest.approx(losses('background', 0.15))


def test_an_anchor_of_a_box_for_regression_only_is_background(make_teacher, make_batch):
    model = make_teacher('one_stage', thresholds=dict(initial=0.3, cls=0.5))
    say(model, [(PLACES[0], 0.4, 0)], [])
    losses = run(model, make_batch())
    assert losses['pseudo/positives/dent'] == 0 and losses['pseudo/positives/level_0'] > 0
    assert total(losses['unsup_loss_bbox']) > 0


@pytest.mark.parametrize('score', [0.35, 0.35 - 1e-6])
@pytest.mark.parametrize('kind', ['one_stage', 'two_stage'])
def test_a_score_on_the_threshold_counts(make_teacher, make_batch, kind, score):
    model = make_teacher(kind)
    say(model, [(PLACES[0], score, 1)], [])
    losses = run(model, make_batch())
    assert losses['pseudo/count/rust'] == (score == 0.35)
    assert losses['pseudo/clean_images'] == (0.5 if score == 0.35 else 1)


def test_thresholds_of_single_classes(make_teacher, make_batch):
    model = make_teacher('two_stage', thresholds=dict(cls={'rust': 0.8, 'default': 0.35}))
    say(model, [(PLACES[0], 0.7, 0), (PLACES[1], 0.7, 1)], [])
    losses = run(model, make_batch())
    assert losses['pseudo/count/dent'] == 1 and losses['pseudo/count/rust'] == 0
    assert losses['pseudo/threshold/rust'].item() == pytest.approx(0.8)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('policy', ['background', 'ignore', 'unless_doubtful'])
def test_a_clean_image_is_decided_about_by_itself(make_teacher, make_batch, kind, policy):
    for second, learns in (
        ([], policy != 'ignore'),
        ([(PLACES[1], 0.3, 0)], policy == 'background'),
        ([(PLACES[1], 0.1, 0)], policy != 'ignore'),
    ):
        model = make_teacher(kind, policy=dict(clean_images=policy, doubtful_score=0.2)).eval()
        say(model, [(PLACES[0], 0.9, 0)], second)
        inputs, samples = make_batch()
        # Which images a loss depends on is seen in its gradient for their pixels.
        pixels = inputs['unsup_student'].requires_grad_()
        losses = run(model, (inputs, samples))
        for key in losses:
            if key.startswith('unsup_loss') and 'cls' in key:
                value = losses[key]
                value = sum(value) if isinstance(value, list) else value
                (gradient,) = torch.autograd.grad(value, pixels, retain_graph=True)
                assert gradient[0].any() and bool(gradient[1].any()) == learns, key
        assert losses['pseudo/ignored_images'] == (0 if learns else 0.5)
        assert losses['pseudo/clean_images'] == 0.5


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('policy', ['background', 'ignore'])
def test_batch_of_clean_images(make_teacher, make_batch, kind, policy):
    model = make_teacher(kind, policy=dict(clean_images=policy))
    say(model, [], [])
    batch = make_batch(boxes=0)
    losses = run(model, batch)
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(weight.grad is not None for weight in model.student.parameters())
    parts = {key: total(losses[key]) for key in losses if key.startswith('unsup_loss')}
    assert all(value == 0 for key, value in parts.items() if 'bbox' in key)
    assert all(
        (value > 0) == (policy == 'background') for key, value in parts.items() if 'cls' in key
    )


@pytest.mark.parametrize('kind', KINDS)
def test_weights_of_the_consensus_multiply_the_losses(make_teacher, make_batch, kind):
    def losses_of(weight):
        model = make_teacher(kind).eval()
        say(model, [(PLACES[0], 0.9, 0)], [])
        # No sampling at random, and only what belongs to the box.
        background_free(model)

        def consensus(found, samples):
            for image in found:
                image.weights = torch.full((len(image),), weight)
            counts = np.ones(len(model.statistics.classes), np.int64)
            return found, ConsensusCounts(2 * counts, counts, 0)

        model.consensus = consensus
        losses = run(model, make_batch())
        assert losses['pseudo/consensus_rate'] == 0.5
        return {key: total(losses[key]) for key in losses if key.startswith('unsup_loss')}

    one, three, none = losses_of(1.0), losses_of(3.0), losses_of(0.0)
    assert {key: value * 3 for key, value in one.items()} == pytest.approx(three, rel=1e-4)
    assert all(value == pytest.approx(0, abs=1e-6) for value in none.values())
    assert all(value > 0 for value in one.values())


def background_free(model):
    """Take the background out of every classification loss."""
    student = model.student
    head = student.bbox_head if hasattr(student, 'bbox_head') else student.rpn_head
    original = head.loss_cls.forward

    def positives_only(scores, labels, weight, **options):
        positive = (labels >= 0) & (labels < head.num_classes)
        return original(scores, labels, weight * positive, **options)

    head.loss_cls.forward = positives_only
    if hasattr(student, 'roi_head'):
        teacher = model.teacher.roi_head.bbox_head
        teacher.background_scores = lambda scores: torch.zeros(len(scores))


def test_softmax_losses_have_the_numbers_of_upstream(make_teacher, make_batch):
    """One threshold for all: what MMDetection's two passes give, our one pass gives."""
    from mmdet.models.detectors import SoftTeacher

    ours = make_teacher('two_stage', thresholds=dict(initial=0.3, cls=0.3, rpn=0.3)).eval()
    found = [[(PLACES[0], 0.9, 0)], [(PLACES[1], 0.8, 2), (PLACES[0], 0.7, 1)]]
    say(ours, *found)
    for detector in (ours.student, ours.teacher):
        # All proposals, so that nothing is drawn at random.
        detector.roi_head.bbox_sampler.num = detector.rpn_head.sampler.num = 10000
        detector.roi_head.bbox_sampler.pos_fraction = 1
        detector.rpn_head.sampler.pos_fraction = 1
    inputs, samples = make_batch()
    losses = run(ours, (inputs, copy.deepcopy(samples)))

    theirs = SoftTeacher.__new__(SoftTeacher)
    torch.nn.Module.__init__(theirs)
    theirs.student, theirs.teacher = ours.student, ours.teacher
    theirs.data_preprocessor = ours.data_preprocessor
    theirs.semi_train_cfg = ConfigDict(
        cls_pseudo_thr=0.3, rpn_pseudo_thr=0.3, reg_pseudo_thr=1.0, min_pseudo_bbox_wh=(1, 1)
    )
    features = theirs.teacher.extract_feat(inputs['unsup_teacher'])
    pseudo = samples['unsup_teacher']
    for sample, image in zip(pseudo, found, strict=True):
        boxes, scores, labels = zip(*image, strict=True)
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes), scores=torch.tensor(scores), labels=torch.tensor(labels),
            reg_uncs=torch.zeros(len(image)),
        )  # fmt: skip
    info = dict(
        feat=features,
        img_shape=[sample.img_shape for sample in pseudo],
        homography_matrix=[torch.from_numpy(sample.homography_matrix) for sample in pseudo],
        metainfo=[sample.metainfo for sample in pseudo],
    )
    projected = theirs.project_pseudo_instances(pseudo, samples['unsup_student'])
    expected = theirs.loss_by_pseudo_instances(inputs['unsup_student'], projected, info)
    for key, value in expected.items():
        if 'loss' in key:
            assert total(losses[key]) == pytest.approx(total(value), rel=1e-4), key


@pytest.mark.parametrize('kind', ['one_stage', 'two_stage'])
def test_uncertain_boxes_do_not_teach_their_place(make_teacher, make_batch, kind):
    def box_loss(spread):
        model = make_teacher(kind).eval()
        say(model, [(PLACES[0], 0.9, 0)], [], spread=spread)
        if kind == 'two_stage':
            model.step.uncertainty.measure = lambda head, maps, boxes, *rest: boxes.new_full(
                (len(boxes),), spread
            )
        return total(run(model, make_batch())['unsup_loss_bbox'])

    limit = make_teacher(kind).step.uncertainty.limit
    sure, doubtful, beyond = box_loss(0.0), box_loss(limit / 2), box_loss(limit * 1.001)
    assert sure > 0 and beyond == 0
    expected = sure / 2 if kind == 'one_stage' else sure
    assert doubtful == pytest.approx(expected, rel=1e-4)


def test_box_jitter_leaves_the_teacher_as_it_was_even_when_it_raises(make_teacher, make_batch):
    model = make_teacher('two_stage', thresholds=dict(initial=0.06, cls=0.06, rpn=0.06))
    settings = copy.deepcopy(model.teacher.roi_head.test_cfg)
    head = model.teacher.roi_head.bbox_head
    original = head.forward
    calls = []

    def forward(pooled):
        calls.append(len(pooled))
        if len(calls) == 2:
            raise ValueError('rois must be finite')
        return original(pooled)

    head.forward = forward
    with pytest.raises(ValueError, match='finite'):
        run(model, make_batch())
    # One call for the proposals, one for all shaken boxes of both images.
    assert len(calls) == 2 and calls[1] % 10 == 0
    assert model.teacher.roi_head.test_cfg == settings


def test_background_weights_come_from_the_teacher(make_teacher, make_batch):
    def loss(logit):
        model = make_teacher('two_stage').eval()
        say(model, [(PLACES[0], 0.9, 0)], [])
        head = model.teacher.roi_head.bbox_head
        original = head.forward

        def forward(pooled):
            scores, deltas = original(pooled)
            scores = torch.zeros_like(scores)
            scores[:, -1] = logit
            return scores, deltas

        head.forward = forward
        return total(run(model, make_batch())['unsup_loss_cls'])

    # Untrained: every RoI costs about log 4; only the share of the box's class is special.
    assert loss(20.0) != pytest.approx(loss(-20.0), rel=1e-3)


def test_the_unsupervised_loss_warms_up_and_waits_for_the_burn_in(make_teacher, make_batch):
    batch = make_batch()

    def ratios(**settings):
        model = make_teacher('one_stage', **settings).eval()
        say(model, [(PLACES[0], 0.9, 0)], [])
        return [total(run(model, batch)['unsup_loss_cls']) for _ in range(4)]

    full = ratios()
    assert full == pytest.approx([full[0]] * 4)
    assert ratios(warmup=4, unsup_weight=2.0) == pytest.approx(
        [full[0] * factor for factor in (0.5, 1.0, 1.5, 2.0)]
    )
    model = make_teacher('one_stage')
    model.burning_in = True
    assert all(key.startswith('sup_') for key in run(model, batch))
    assert model.unsupervised_iterations == 0


def test_weights_of_the_two_halves(make_teacher, make_batch):
    batch = make_batch()

    def parts(**settings):
        model = make_teacher('one_stage', **settings).eval()
        say(model, [(PLACES[0], 0.9, 0)], [])
        losses = run(model, batch)
        return total(losses['sup_loss_cls']), total(losses['unsup_loss_cls'])

    one = parts()
    assert parts(sup_weight=0.5, unsup_weight=4.0) == pytest.approx((one[0] / 2, one[1] * 4))


def test_hidden_truth_teaches_nothing(make_teacher, make_batch):
    outcomes = []
    for shift in (0, 20):
        model = make_teacher('two_stage', statistics=dict(hidden_truth=True)).eval()
        say(model, [(PLACES[0], 0.9, 0)], [(PLACES[1], 0.9, 1)])
        inputs, samples = make_batch()
        for sample in samples['unsup_teacher']:
            sample.gt_instances = InstanceData(
                bboxes=torch.tensor([PLACES[0]]) + shift, labels=torch.tensor([0])
            )
        samples['unsup_student'] = [copy.deepcopy(item) for item in samples['unsup_student']]
        outcomes.append(run(model, (inputs, samples)))
    for key in outcomes[0]:
        if 'loss' in key and 'pseudo' not in key:
            assert total(outcomes[0][key]) == total(outcomes[1][key]), key
    assert outcomes[0]['pseudo/precision/dent'] == 1 and outcomes[1]['pseudo/precision/dent'] == 0
    assert outcomes[0]['pseudo/recall/dent'] == 0.5 and outcomes[1]['pseudo/recall/dent'] == 0
    assert outcomes[0]['pseudo/precision/rust'] == 0
    assert 'pseudo/recall/rust' not in outcomes[0]


def test_numbers_are_no_losses_even_of_a_class_called_gloss(make_teacher, make_batch):
    model = make_teacher('one_stage').eval()
    say(model, [(PLACES[0], 0.9, 2)], [])
    losses = run(model, make_batch())
    loss, logged = model.parse_losses(losses)
    assert logged['pseudo/count/gloss'] == 1
    assert float(loss) == pytest.approx(
        sum(total(value) for key, value in losses.items() if '_loss_' in key), rel=1e-5
    )


def test_boxes_follow_the_augmentations(make_teacher, make_batch):
    model = make_teacher('one_stage')
    say(model, [(PLACES[0], 0.9, 0)], [([-4.0, 0, 0.5, 9], 0.9, 0)])
    taught = []
    original = model.step.losses
    model.step.losses = lambda student, seen, boxes, *rest: (
        taught.extend(boxes),
        original(student, seen, boxes, *rest),
    )[1]
    losses = run(model, make_batch())
    assert taught[0].bboxes.tolist() == [[40, 8, 56, 24]]
    # Half a pixel of it is left in the student's image.
    assert len(taught[1]) == 0 and losses['pseudo/clean_images'] == 0
    shown = model.last_pseudo_labels
    assert shown[0].pred_instances.bboxes.tolist() == [PLACES[0]]
    assert shown[0].img_path == 'unsup_teacher0' and 'gt_instances' not in shown[0]


@pytest.mark.parametrize('kind', KINDS)
def test_same_numbers_in_bfloat16(make_teacher, make_batch, kind):
    losses = []
    for half in (False, True):
        model = make_teacher(kind).eval()
        say(model, [(PLACES[0], 0.9, 0)], [(PLACES[1], 0.9, 2)])
        batch = make_batch()
        if half:
            with autocast_layers(model, 'cpu', torch.bfloat16):
                losses.append(run(model, batch))
        else:
            losses.append(run(model, batch))
    for key, value in losses[0].items():
        # Which proposals reach an IoU of .5 may hang on a rounded number.
        if '_loss_' in key and ('cls' in key or 'rpn' in key):
            assert total(losses[1][key]) == pytest.approx(total(value), rel=0.1, abs=0.02), key


@pytest.mark.parametrize('kind', KINDS)
def test_what_the_teacher_itself_finds(make_teacher, make_batch, kind):
    """Nothing replaced: NMS, jitter and spread of an untrained teacher on noise."""
    low = dict(initial=0.01, cls=0.01)
    model = make_teacher(
        kind,
        thresholds=low if kind == 'one_stage' else {**low, 'rpn': 0.01},
        policy=dict(clean_images='background', score_floor=0.005),
        uncertainty=dict(limit=10.0),
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(('retina_cls.bias', 'fc_cls.bias')):
                weight.fill_(-1.0)
    losses = run(model, make_batch())
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)
    assert sum(losses[f'pseudo/count/{name}'] for name in ('dent', 'rust', 'gloss')) > 0
    assert total(losses['unsup_loss_bbox']) > 0


def test_state_goes_on_after_a_restart(make_teacher, make_batch):
    def make():
        return make_teacher(
            'one_stage',
            thresholds=dict(type='mmdefect.MixtureThresholds', memory=8, least=4, interval=2),
            warmup=10,
        )

    first = make()
    say(first, [(PLACES[0], 0.9, 0), (PLACES[1], 0.2, 0)], [])
    for _ in range(5):
        run(first, make_batch())
    state = copy.deepcopy(first.state_dict())
    second = make()
    second.load_state_dict(state)
    say(second, [(PLACES[0], 0.9, 0), (PLACES[1], 0.2, 0)], [])
    for model in (first, second):
        model.continued = run(model, make_batch(seed=7))
    for key, value in first.continued.items():
        if '_loss_' in key or 'threshold' in key:
            assert total(second.continued[key]) == total(value), key
    assert first.thresholds.moved[0] == second.thresholds.moved[0] > 0


FUSION = dict(type='mmdefect.CrossViewFusion', channels=16, num_heads=2, tokens=64)


@pytest.fixture
def run_parts(make_teacher, make_batch):
    """Losses of a labelled and an unlabelled part: two views to inspect, one template each."""

    def run_it(kind, fusion=None, template=0.0, third='reference', **settings):
        multi = 'RetinaNet' if kind == 'one_stage' else 'FasterRCNN'
        detector = dict(type=f'mmdefect.MultiView{multi}', fusion=copy.deepcopy(fusion))
        model = make_teacher(kind, detector=detector, **settings).eval()
        if fusion:
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    if 'fusion' in name:
                        # The gate is closed at first.
                        weight.add_(0.1)
        inputs, samples = make_batch(labelled=3, unlabelled=3)
        for branch, views in samples.items():
            for view, sample in enumerate(views):
                sample.set_metainfo(
                    dict(
                        part_id=branch[:3], view_id=view, part_homography=np.eye(3),
                        view_role=third if view == 2 else 'inspect',
                    )
                )  # fmt: skip
            inputs[branch][2] += template
        # Two views find the first place, one of them the second; a third finds nothing.
        found = [(PLACES[0], 0.9, 0), (PLACES[1], 0.9, 1)], [(PLACES[0], 0.8, 0)], []
        say(model, *found[: 2 + (third == 'inspect')])
        losses = run(model, (inputs, samples))
        return {key: total(value) for key, value in losses.items()}, model

    return run_it


@pytest.mark.parametrize('kind', KINDS)
def test_reference_views_feed_the_fusion_and_nothing_else(run_parts, kind):
    alone, model = run_parts(kind)
    assert alone == run_parts(kind, template=5.0)[0]
    assert len(model.last_pseudo_labels) == 2
    fused = run_parts(kind, fusion=FUSION)[0]
    assert alone['pseudo/count/dent'] == fused['pseudo/count/dent'] == 2
    other = run_parts(kind, fusion=FUSION, template=5.0)[0]
    for key, value in fused.items():
        if '_loss_' in key and 'cls' in key:
            assert value != other[key], key


@pytest.mark.parametrize('kind', KINDS)
def test_views_of_a_part_vote(run_parts, kind):
    votes = dict(type='mmdefect.ViewConsensus', confirmed_weight=2.0, lonely_weight=0.25)
    losses, model = run_parts(kind, consensus=votes)
    assert losses['pseudo/consensus_rate'] == pytest.approx(2 / 3)
    weights = [view.pred_instances.cls_weights.tolist() for view in model.last_pseudo_labels]
    assert weights == [[2.0, 0.25], [2.0]]
    without, _ = run_parts(kind)
    assert losses['unsup_loss_bbox'] > 0 and losses['unsup_loss_bbox'] != without['unsup_loss_bbox']


@pytest.mark.parametrize('kind', KINDS)
def test_a_box_that_a_view_missed_teaches_there_too(run_parts, kind):
    votes = dict(type='mmdefect.ViewConsensus', add_missed=True, added_weight=0.5)
    losses, model = run_parts(kind, third='inspect', consensus=votes)
    third = model.last_pseudo_labels[2].pred_instances
    assert third.bboxes.tolist() == [PLACES[0]] and third.added.all()
    assert third.cls_weights.tolist() == [0.5] and third.reg_weights.tolist() == [0.5]
    assert losses['pseudo/count/dent'] == 3 and losses['pseudo/clean_images'] == 0
    without, _ = run_parts(kind, third='inspect')
    assert without['pseudo/count/dent'] == 2


@pytest.mark.parametrize(
    ('kind', 'settings', 'message'),
    [
        ('one_stage', dict(thresholds=dict(rpn=0.35)), 'one-stage detector has no RPN'),
        ('two_stage', dict(classes=('dent',)), 'num_classes=3'),
        ('two_stage', dict(warmup=-1), 'warmup must be an integer >= 0'),
        ('one_stage', dict(burn_in=0.5), 'burn_in must be an integer >= 0, got 0.5'),
        ('one_stage', dict(unsup_weight=-1), 'unsup_weight must be finite and >= 0, got -1'),
        ('two_stage', dict(sup_weight=float('nan')), 'sup_weight must be finite'),
        ('one_stage', dict(unsup_weight='2'), "unsup_weight must be .* got '2'"),
        ('two_stage', dict(freeze_teacher=False), 'remove freeze_teacher'),
        ('two_stage', dict(clases=()), "unknown key 'clases'; did you mean 'classes'"),
        ('two_stage', dict(policy={}), 'clean_images must be one of'),
        ('two_stage', dict(policy=dict(clean_image='ignore')), "did you mean 'clean_images'"),
        ('two_stage', dict(uncertainty=dict(type='mmdefect.CandidateSpread')), 'BoxJitter'),
        ('one_stage', dict(uncertainty=dict(type='mmdefect.BoxJitter')), 'CandidateSpread'),
        ('two_stage', dict(uncertainty=dict(time=3)), "did you mean 'times'"),
        ('one_stage', dict(statistics=dict(windo=3)), "did you mean 'window'"),
        ('one_stage', dict(thresholds=dict(clas=0.3)), "did you mean 'cls'"),
        (
            'one_stage',
            dict(policy=dict(clean_images='ignore', score_floor=0.2), thresholds=dict(cls=0.1)),
            'score_floor 0.2 lies above',
        ),
    ],
)
def test_mistakes_in_the_config_are_named(make_teacher, kind, settings, message):
    with pytest.raises(InputError, match=message):
        make_teacher(kind, **settings)


def test_branches_must_hold_the_same_images(make_teacher, make_batch):
    model = make_teacher('one_stage')
    say(model, [], [])
    inputs, samples = make_batch()
    samples['unsup_student'].reverse()
    with pytest.raises(InputError, match='same images in the same order'):
        model.loss(inputs, samples)
    inputs, samples = make_batch()
    for sample in samples['unsup_teacher']:
        del sample.homography_matrix
    with pytest.raises(InputError, match='no homography_matrix'):
        model.loss(inputs, samples)


def test_a_detector_without_box_weights_is_refused(make_teacher):
    fcos = dict(
        type='FCOS',
        bbox_head=dict(type='FCOSHead', num_classes=3, in_channels=16, stacked_convs=0),
        train_cfg=None,
    )
    with pytest.raises(InputError, match='FCOSHead takes no weights of single boxes'):
        make_teacher('one_stage', detector=fcos)


def test_roi_losses_without_any_roi(make_teacher):
    head = make_teacher('two_stage').student.roi_head
    maps = tuple(torch.zeros(1, 16, 64 // stride, 64 // stride) for stride in (4, 8, 16, 32))
    losses, counts = roi_losses(
        head, maps, [InstanceData(bboxes=torch.zeros(0, 4))], [_none()], [False], _no_scores
    )
    assert {key: float(value.sum()) for key, value in losses.items()} == {
        'loss_cls': 0.0,
        'loss_bbox': 0.0,
        'acc': 0.0,
    }
    assert counts.tolist() == [0, 0, 0]


def _no_scores(rois):
    return rois.new_zeros(len(rois))


def _none():
    return InstanceData(
        bboxes=torch.zeros(0, 4),
        labels=torch.zeros(0, dtype=torch.int64),
        for_cls=torch.zeros(0, dtype=torch.bool),
        ignorable=torch.zeros(0, dtype=torch.bool),
        cls_weights=torch.zeros(0),
        reg_weights=torch.zeros(0),
    )
