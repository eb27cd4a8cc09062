from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from torch import nn

from mmdefect.engine.precision import autocast_layers
from mmdefect.errors import InputError
from mmdefect.models import CrossViewFusion
from mmdefect.models.fusion.token_places import sinusoids

SIZE = 64
C = 16
FLIP = np.array([[-1.0, 0, SIZE], [0, 1, 0], [0, 0, 1]], np.float32)
REGISTERED = dict(part_homography=np.eye(3))


def sample(part_id='a', view_id=0, view_role='inspect', shape=(SIZE, SIZE), **meta):
    return DetDataSample(
        metainfo=dict(
            part_id=part_id, view_id=view_id, view_role=view_role, ori_shape=shape,
            img_shape=shape, img_path=f'{part_id}_{view_id}.png', **meta,
        )
    )  # fmt: skip


def features(number, seed=0, dtype=torch.float32):
    """Two levels: 16x16, pooled to 8x8 tokens, and 8x8."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(number, C, side, side, generator=generator).to(dtype) for side in (16, 8)
    )


def make_fusion(awake=True, seed=0, **keys):
    torch.manual_seed(seed)
    fusion = CrossViewFusion(**(dict(channels=C, num_levels=2, tokens=64, num_heads=2) | keys))
    if awake:
        for parameter in fusion.parameters():
            nn.init.normal_(parameter, std=0.3)
    return fusion.eval()


def fuse(fusion, levels, samples):
    return fusion(levels, samples, (SIZE, SIZE))


def close(first, second, tolerance=2e-5):
    assert len(first) == len(second)
    for mine, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


def changed(first, second):
    """Per image, whether any level differs."""
    gaps = [(a - b).flatten(1).abs().amax(1) for a, b in zip(first, second, strict=True)]
    return (torch.stack(gaps).amax(0) > 1e-4).tolist()


def pick(levels, images):
    return tuple(level[images] for level in levels)


# Three views, one of them a reference, registered; two free views; one alone; one without id.
MIXED = [
    sample('a', 0, **REGISTERED),
    sample('a', 1, 'reference', **REGISTERED),
    sample('a', 5, homography_matrix=FLIP, **REGISTERED),
    sample('b', 0),
    sample('b', 3),
    sample('c', 2),
    sample(None, None),
]
INSPECT = [0, 2, 3, 4, 5, 6]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('training', [False, True])
def test_closed_gates_change_no_bit_and_learn(dtype, training):
    fusion = make_fusion(awake=False).train(training)
    levels = features(7, dtype=dtype)
    fused = fuse(fusion, levels, MIXED)
    for level, result in zip(levels, fused, strict=True):
        assert result.dtype == dtype and torch.equal(result, level[INSPECT])
    sum(result.float().square().sum() for result in fused).backward()
    assert (fusion.gates.grad != 0).all()
    # Once the gates are open, everything else learns too.
    with torch.no_grad():
        fusion.gates -= 0.1 * fusion.gates.grad.sign()
    sum(result.float().square().sum() for result in fuse(fusion, levels, MIXED)).backward()
    still = [name for name, item in fusion.named_parameters() if not item.grad.any()]
    assert not still


def test_results_stand_in_the_order_of_the_batch():
    fusion, levels = make_fusion(), features(7)
    expected = fuse(fusion, levels, MIXED)
    assert [len(level) for level in expected] == [6, 6]
    order = [4, 2, 6, 1, 5, 0, 3]
    shuffled = fuse(fusion, pick(levels, order), [MIXED[index] for index in order])
    kept = [index for index in order if index != 1]
    close(shuffled, pick(expected, [INSPECT.index(index) for index in kept]))


def test_a_part_alone_is_fused_as_among_others_and_padding():
    fusion, levels = make_fusion(), features(7)
    together = fuse(fusion, levels, MIXED)
    for images in ([0, 1, 2], [3, 4], [5], [6]):
        alone = fuse(fusion, pick(levels, images), [MIXED[index] for index in images])
        rows = [INSPECT.index(index) for index in images if index != 1]
        close(alone, pick(together, rows))


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        # A reference is seen by the others of its part, and only by them.
        (1, [True, True, False, False, False, False]),
        (2, [True, True, False, False, False, False]),
        (4, [False, False, True, True, False, False]),
        (5, [False, False, False, False, True, False]),
    ],
)
def test_who_sees_whom(image, expected):
    fusion, levels = make_fusion(), features(7)
    before = fuse(fusion, levels, MIXED)
    other = tuple(level.clone() for level in levels)
    for level in other:
        level[image] += torch.randn_like(level[image])
    assert changed(before, fuse(fusion, other, MIXED)) == expected


def test_a_missing_view_counts_as_if_it_had_never_been():
    """Views 0, 1 and 5 without 5: as a part that has only 0 and 1."""
    fusion, levels = make_fusion(), features(7)
    some = fuse(fusion, pick(levels, [0, 1, 3]), [MIXED[index] for index in (0, 1, 3)])
    full = fuse(fusion, levels, MIXED)
    assert all(torch.isfinite(level).all() for level in some)
    assert changed(some, pick(full, [0, 2])) == [True, True]
    two = fuse(fusion, pick(levels, [0, 1]), MIXED[:2])
    close(pick(some, [0]), two)


def test_a_lone_view_gets_a_gradient_for_every_weight():
    """Ranks of a distributed training wait for the gradient of each weight."""
    fusion = make_fusion().train()
    sum(level.sum() for level in fuse(fusion, features(1), [sample()])).backward()
    assert all(item.grad is not None for item in fusion.parameters())
    assert all(torch.isfinite(item.grad).all() for item in fusion.parameters())


def test_nothing_but_references_is_an_error():
    with pytest.raises(InputError, match='no view to inspect among a_0.png'):
        fuse(make_fusion(), features(1), [sample(view_role='reference')])


def test_nan_in_one_part_stays_there():
    fusion, levels = make_fusion(), features(7)
    expected = fuse(fusion, levels, MIXED)
    broken = tuple(level.clone() for level in levels)
    for level in broken:
        level[3] = float('nan')
    fused = fuse(fusion, broken, MIXED)
    others = [0, 1, 4, 5]
    close(pick(fused, others), pick(expected, others))
    assert all(level[2:4].isnan().any() for level in fused)


def test_padding_of_an_image_is_not_looked_at():
    fusion, levels = make_fusion(), features(2)
    samples = [sample(view_id=0), sample(view_id=1, shape=(48, 32))]
    before = fuse(fusion, levels, samples)
    other = tuple(level.clone() for level in levels)
    for level, cells in zip(other, (16, 8), strict=True):
        level[1, :, cells * 3 // 4 :] = 9
        level[1, :, :, cells // 2 :] = -9
    after = fuse(fusion, other, samples)
    close(pick(before, [0]), pick(after, [0]))
    other[1][1, :, 0, 0] = 9
    assert changed(before, fuse(fusion, other, samples))[0]


@pytest.mark.parametrize('matrix', [np.eye(3), FLIP])
@pytest.mark.parametrize('place', [(1, 2), (6, 3)])
def test_registered_views_start_by_looking_at_the_same_place(matrix, place):
    """One token of the reference changes: the view sees that most where it shows the same."""
    fusion = make_fusion(awake=False, channels=64, num_levels=1)
    nn.init.ones_(fusion.gates)
    samples = [
        sample(view_id=0, **REGISTERED),
        sample(view_id=1, view_role='reference', homography_matrix=matrix, **REGISTERED),
    ]
    level = torch.randn(2, 64, 8, 8, generator=torch.Generator().manual_seed(0))
    other = level.clone()
    other[1, :, place[0], place[1]] *= -1
    gap = (fuse(fusion, (level,), samples)[0] - fuse(fusion, (other,), samples)[0])[0].norm(dim=0)
    column = 7 - place[1] if matrix is FLIP else place[1]
    assert divmod(int(gap.argmax()), 8) == (place[0], column)
    rest = gap.clone()
    rest[place[0], column] = 0
    assert gap.max() > 2 * rest.max()


@pytest.mark.parametrize('channels', [64, 256])
@pytest.mark.parametrize(('tokens', 'pixels'), [(16, 192), (53, 640)])
def test_a_token_on_a_board_starts_by_looking_at_itself(channels, tokens, pixels):
    """Tokens of 12 px of a crop of a board of 640 px, and of the whole board."""
    fusion = CrossViewFusion(channels=channels)
    steps = (np.arange(tokens) + 0.5) * (pixels / tokens / 640)
    places = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    encoded = torch.from_numpy(sinusoids(places, channels // fusion.num_heads))
    with torch.no_grad():
        query, key = (
            layer(encoded)[:, : channels // fusion.num_heads]
            for layer in (fusion.query_place, fusion.key_place)
        )
        on_itself = (query @ key.T).softmax(1).diagonal()
    assert on_itself.min() > 0.6 and on_itself.mean() > 0.75


def test_views_that_show_the_same_start_without_a_difference():
    """Equal registered views: what a token is compared with is the token itself."""
    fusion = make_fusion(awake=False, channels=64, num_levels=1)
    nn.init.ones_(fusion.gates)
    level = torch.randn(1, 64, 8, 8, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1, 1)
    reference = sample(view_id=1, view_role='reference', **REGISTERED)
    same = fuse(fusion, (level,), [sample(**REGISTERED), reference])[0]
    alone = fuse(fusion, (level[:1],), [sample(**REGISTERED)])[0]
    constant = fusion.result(nn.functional.gelu(fusion.own.bias)).detach()[:, None, None]
    assert (same[0] - level[0] - constant).norm() < 0.5 * (alone[0] - level[0] - constant).norm()


def test_place_matters_for_other_views_too():
    """Free views are told apart by their place in the image, before any augmentation."""
    fusion, levels = make_fusion(), features(2)
    plain = [sample(view_id=0), sample(view_id=1)]
    flipped = [sample(view_id=0), sample(view_id=1, homography_matrix=FLIP)]
    assert changed(fuse(fusion, levels, plain), fuse(fusion, levels, flipped)) == [True, True]
    registered = [sample(view_id=0), sample(view_id=1, **REGISTERED)]
    assert changed(fuse(fusion, levels, plain), fuse(fusion, levels, registered)) == [True, True]


def test_view_and_role_matter():
    fusion, levels = make_fusion(), features(2)
    before = fuse(fusion, levels, [sample(view_id=0), sample(view_id=1)])
    other = fuse(fusion, levels, [sample(view_id=0), sample(view_id=2)])
    assert changed(before, other) == [True, True]
    reference = fuse(fusion, levels, [sample(view_id=0), sample(view_id=1, view_role='reference')])
    assert changed(pick(before, [0]), reference) == [True]


def test_unseen_view_ids_get_the_mean_of_the_seen():
    fusion, levels = make_fusion(num_views=4), features(2)
    with torch.no_grad():
        fusion.view_vectors[2] = 0  # never trained
    beyond = fuse(fusion, levels, [sample(view_id=0), sample(view_id=99)])
    unseen = fuse(fusion, levels, [sample(view_id=0), sample(view_id=2)])
    without = fuse(fusion, levels, [sample(view_id=0), sample(view_id=None)])
    close(beyond, unseen)
    close(beyond, without)
    with torch.no_grad():
        fusion.view_vectors[2] = fusion.view_vectors.sum(0) / 3
    close(beyond, fuse(fusion, levels, [sample(view_id=0), sample(view_id=2)]))


def test_unseen_view_ids_learn():
    fusion = make_fusion().train()
    with torch.no_grad():
        fusion.view_vectors.zero_()
    levels = fuse(fusion, features(2), [sample(view_id=1), sample(view_id=3)])
    sum(level.square().sum() for level in levels).backward()
    assert fusion.view_vectors.grad.any(dim=1).nonzero()[:, 0].tolist() == [1, 3]


def test_checkpointing_changes_neither_results_nor_gradients():
    results = []
    for checkpointing in (False, True):
        fusion = make_fusion(gradient_checkpointing=checkpointing).train()
        levels = tuple(level.requires_grad_() for level in features(7))
        fused = fuse(fusion, levels, MIXED)
        sum(level.square().sum() for level in fused).backward()
        weights = [item.grad for item in fusion.parameters()]
        results.append([*fused, *(level.grad for level in levels), *weights])
    for mine, theirs in zip(*results, strict=True):
        assert torch.equal(mine, theirs)


def numbers_kept(fusion, levels, samples):
    """Float32 numbers kept for the backward pass besides the input and the weights."""
    given = {item.data_ptr() for item in (*levels, *fusion.parameters())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in given:
            kept[storage.data_ptr()] = storage.nbytes() / 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # Nothing may be freed, and its address taken again, before all is counted.
        result = fuse(fusion, levels, samples)
    assert result[0].requires_grad
    return sum(kept.values())


def test_memory_of_training():
    """Of two levels of 64 tokens of 4 parts, padded to 3 views."""
    plain, checkpointing = (make_fusion(gradient_checkpointing=on) for on in (False, True))
    kept = numbers_kept(plain, features(7), MIXED)
    assert 0.5 < kept / (2 * 12 * 12 * 64 * C) < 1.2
    assert numbers_kept(checkpointing, features(7), MIXED) < 0.05 * kept


@pytest.mark.parametrize('checkpointing', [False, True])
def test_bfloat16_is_close_to_float32(checkpointing):
    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.fusion = make_fusion(awake=False, gradient_checkpointing=checkpointing)
            nn.init.normal_(self.fusion.gates, std=0.3)

    detector = Detector()
    results = []
    for low in (False, True):
        detector.zero_grad()
        levels = features(7, dtype=torch.bfloat16 if low else torch.float32)
        if low:
            with autocast_layers(detector, 'cpu', torch.bfloat16):
                fused = fuse(detector.fusion, levels, MIXED)
                assert {level.dtype for level in fused} == {torch.bfloat16}
        else:
            fused = fuse(detector.fusion, levels, MIXED)
        sum(level.float().square().sum() for level in fused).backward()
        gradients = [item.grad.flatten() for item in detector.fusion.parameters()]
        results.append([*fused, torch.cat(gradients)])
    exact, rounded = results
    for high, low in zip(exact, rounded, strict=True):
        assert (high - low.float()).norm() < 0.03 * high.norm()


def test_tokens_keep_their_size_on_larger_inputs():
    """An image of four equal quarters: each is fused as the quarter alone, but for the edges."""
    keys = dict(num_levels=1, tokens=16, part_unit=SIZE)
    fixed, scaled = make_fusion(**keys), make_fusion(**keys, tokens_at=(SIZE, SIZE))
    level = features(2)[0]
    small = [sample(view_id=0, **REGISTERED), sample(view_id=1, **REGISTERED)]
    shape = (2 * SIZE, 2 * SIZE)
    large = [sample(view_id=view, shape=shape, **REGISTERED) for view in range(2)]
    expected = fuse(fixed, (level,), small)[0]
    close((expected,), fuse(scaled, (level,), small))
    tiled = level.tile(1, 1, 2, 2)
    with torch.no_grad():
        for fusion in (fixed, scaled):
            # The place is all that tells the quarters apart.
            fusion.query_place.weight.zero_()
            fusion.key_place.weight.zero_()
        want = fuse(fixed, (level,), small)[0][..., :6, :6]
        gaps = [
            (fusion((tiled,), large, shape)[0][..., :6, :6] - want).abs().max()
            for fusion in (fixed, scaled)
        ]
    # One key for "nothing there" weighs less against four times the tokens.
    assert gaps[1] < 0.2 * gaps[0]


def test_memory_rises_with_the_tokens_not_with_their_square():
    """One level of 16x16 and of 32x32 tokens; the scores of two views alone would be 16-fold."""
    fusion = make_fusion(tokens='all', num_levels=1)
    pair = [sample(view_id=0), sample(view_id=1)]
    few, many = (numbers_kept(fusion, (torch.randn(2, C, side, side),), pair) for side in (16, 32))
    assert many < 5 * few


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'token': 64}, "unknown key 'token'; did you mean 'tokens'"),
        ({'tokens': 0}, "tokens must be a whole number >= 1 or 'all', got 0"),
        ({'tokens': 'some'}, "or 'all', got 'some'"),
        ({'num_levels': 1.5}, 'num_levels must be a whole number >= 1, got 1.5'),
        ({'channels': 12}, 'channels must be num_heads times a multiple of 4, got 12 .* 2 heads'),
        ({'tokens_at': 64}, r'tokens_at must be \(w, h\) in whole pixels, got 64'),
        ({'tokens_at': (64, 0)}, r'tokens_at must be \(w, h\) in whole pixels, got \(64, 0\)'),
        ({'part_unit': 0}, 'part_unit must be > 0, got 0'),
        ({'part_unit': float('nan')}, 'part_unit must be > 0, got nan'),
    ],
)
def test_bad_config(change, message):
    with pytest.raises(InputError, match=f'CrossViewFusion: .*{message}'):
        make_fusion(**change)


def test_channels_must_be_given():
    with pytest.raises(InputError, match="CrossViewFusion: key 'channels' is missing"):
        CrossViewFusion(tokens=64)


def test_features_that_do_not_fit():
    fusion = make_fusion()
    with pytest.raises(ValueError, match='num_levels=2 levels, got 1'):
        fuse(fusion, features(1)[:1], [sample()])
    with pytest.raises(ValueError, match=r'shape \(2, 16, h, w\), got \(1, 16, 16, 16\)'):
        fuse(fusion, features(1), [sample(view_id=0), sample(view_id=1)])
