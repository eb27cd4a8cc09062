from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures import DetDataSample

from mmdefect.errors import InputError
from mmdefect.geometry import project_points
from mmdefect.models.fusion.part_views import PartViews
from mmdefect.models.fusion.token_places import sinusoids, token_grid, token_places

SIZE = 64
SHIFT = np.array([[1.0, 0, 20], [0, 1, 12], [0, 0, 1]])
# A quarter turn and half the resolution: pixel centres of the view to pixel centres of the part.
TURN = np.array([[0.0, -2, 127], [2, 0, 8], [0, 0, 1]])


def sample(part_homography=None, homography_matrix=None, shape=(SIZE, SIZE), **meta):
    meta = dict(part_id='a', ori_shape=shape, img_shape=shape, img_path='a.png') | meta
    if part_homography is not None:
        meta['part_homography'] = part_homography
    if homography_matrix is not None:
        meta['homography_matrix'] = np.asarray(homography_matrix, np.float32)
    return DetDataSample(metainfo=meta)


def places(samples, grid=(8, 8), level=(16, 16), padded=(SIZE, SIZE), **keys):
    return token_places(samples, PartViews(samples), grid, level, padded, **keys)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.one_of(st.none(), st.integers(1, 600)))
def test_grids_fit_and_use_the_budget(height, width, tokens):
    rows, columns = token_grid(height, width, tokens)
    assert 1 <= rows <= height and 1 <= columns <= width
    if tokens is None or tokens >= height * width:
        assert (rows, columns) == (height, width)
    else:
        assert tokens / 2 <= rows * columns <= tokens


def test_same_place_of_the_part_has_the_same_coordinates():
    """One place per token of the second view, sought among all tokens of the first."""
    views = [
        sample(SHIFT, view_id=0),
        sample(TURN, view_id=1),
        # Flipped and at double size in the network's input, which is then cropped.
        sample(SHIFT, [[-2, 0, 128], [0, 2, -32], [0, 0, 1]], view_id=2),
    ]
    found = places(views, grid=(64, 64), level=(64, 64))
    assert found.registered.all()
    # The longest side in part pixels: 64 pixels of the turned view, two part pixels each.
    first = found.xy[0] * 128
    assert first[0] == pytest.approx([21.0 - 0.5 + 0.0, 13.0 - 0.5])
    for other in (1, 2):
        gaps = np.abs(first[:, None] - found.xy[other][None] * 128).max(axis=-1)
        nearest = gaps.min(axis=1)
        # Pixels of the views lie within half a pixel of each other where both see the part.
        seen = nearest < 1.01
        assert seen.sum() > 500
        assert gaps[seen].min(axis=1).max() < 1.01


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.3, 3), st.floats(-3.2, 3.2), st.booleans(), st.floats(-40, 40), st.floats(-40, 40)
)
def test_augmentation_does_not_move_the_part(scale, angle, flip, x, y):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    augment = np.array([[c, -s, x], [s, c, y], [0, 0, 1]]) @ np.diag([-1.0 if flip else 1, 1, 1])
    plain, moved = sample(SHIFT), sample(SHIFT, augment, part_id='b')
    before = places([plain], level=(8, 8)).xy[0] * SIZE - (20, 12)
    after = places([moved], level=(8, 8)).xy[0] * SIZE - (20, 12)
    # To the input of the network, there it must be the same grid of centres.
    assert project_points(after, augment.astype(np.float32)) == pytest.approx(before, abs=1e-3)


def test_other_views_are_placed_in_their_image():
    found = places([sample(homography_matrix=np.diag([2, 2, 1]), shape=(20, 32))], grid=(2, 2))
    assert not found.registered.any()
    assert found.xy[0].tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_one_unit_for_all_views_of_a_part():
    close = sample(np.diag([0.5, 0.5, 1]), shape=(64, 64), view_id=0)
    wide = sample(np.eye(3), shape=(64, 48), view_id=1)
    alone = sample(np.eye(3), shape=(64, 48), part_id='b')
    found = places([close, wide, alone], grid=(4, 4), level=(4, 4))
    assert found.xy[1] == pytest.approx(found.xy[2])
    assert found.xy[0] == pytest.approx((found.xy[1] - 0.5 / 64 + 0.25 / 32) / 2, abs=0.02)
    fixed = places([close, wide], grid=(4, 4), level=(4, 4), part_unit=16)
    assert fixed.xy == pytest.approx(found.xy[:2] * 4)


def test_padding_lies_outside():
    found = places([sample(shape=(32, 48))], grid=(4, 4), level=(8, 8))
    assert (
        found.inside[0].reshape(4, 4).tolist()
        == [[True, True, True, False]] * 2 + [[False] * 4] * 2
    )


def test_uneven_windows_have_their_centres():
    """Three windows over eight cells: 0 to 3, 2 to 6, 5 to 8."""
    found = places([sample(shape=(8, 8))], grid=(1, 3), level=(8, 8), padded=(8, 8))
    assert (found.xy[0] * 8).tolist() == [[1.5, 4], [4, 4], [6.5, 4]]


def test_beyond_the_horizon_there_is_nothing():
    tilt = np.array([[1.0, 0, 0], [0, 1, 0], [0, -1 / 32, 1]])
    found = places([sample(tilt)], grid=(4, 4), level=(4, 4))
    assert np.isfinite(found.xy).all()
    assert found.inside[0].reshape(4, 4).all(axis=1).tolist() == [True, True, False, False]


@pytest.mark.parametrize('key', ['part_homography', 'homography_matrix'])
@pytest.mark.parametrize('value', [np.zeros((3, 3)), np.full((3, 3), np.nan), [1, 2]])
def test_bad_homographies(key, value):
    bad = sample()
    bad.set_metainfo({key: value})
    with pytest.raises(InputError, match=f'a.png: {key}: homography must'):
        places([bad])


@settings(max_examples=40, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-50, 50), st.floats(-50, 50))
def test_products_of_encodings_know_distances_only(x, y, dx, dy):
    here = sinusoids(np.array([[0.0, 0], [dx, dy]]), 32)
    there = sinusoids(np.array([[x, y], [x + dx, y + dy]]), 32)
    # The product of a place with itself, and of two places at a distance.
    assert here[1] @ here[1] == pytest.approx(16, abs=1e-4)
    assert here[0] @ there[0] == pytest.approx(here[1] @ there[1], abs=1e-3)


def test_encodings_tell_neighbours_apart():
    line = np.stack([np.arange(16) / 16, np.zeros(16)], -1)
    encoded = sinusoids(line, 32)
    products = encoded @ encoded.T
    assert (products.argmax(axis=1) == np.arange(16)).all()
    assert (np.diagonal(products) - np.sort(products)[:, -2]).min() > 2
