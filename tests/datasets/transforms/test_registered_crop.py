from __future__ import annotations

import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from mmdefect.datasets.transforms import RegisteredCrop
from mmdefect.errors import InputError
from mmdefect.geometry import invert_homography, project_points

W, H = 60, 40
SAME = np.eye(3)


def picture(width=W, height=H):
    """Each pixel tells its own place: x, y, 0."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([x, y, np.zeros_like(x)], -1)


def view(role='inspect', boxes=(), homography=SAME, **keys):
    number = len(boxes)
    return dict(
        img=picture(), img_shape=(H, W), view_role=role, img_path=f'{role}.png',
        homography_matrix=np.eye(3, dtype=np.float32), part_homography=homography,
        gt_bboxes=HorizontalBoxes(np.array(boxes, np.float32).reshape(-1, 4)),
        gt_bboxes_labels=np.arange(number), gt_ignore_flags=np.arange(number) % 2 == 1,
    ) | keys  # fmt: skip


def crop(*views, seed=0, **keys):
    np.random.seed(seed)
    step = RegisteredCrop(**(dict(crop_size=(20, 16)) | keys))
    return step({'part_id': 'a', 'views': list(views)})['views']


def corner(cropped):
    x, y = cropped['img'][0, 0, :2].tolist()
    return x, y


def test_aligned_views_get_the_same_window_wherever_it_falls():
    corners = set()
    for seed in range(200):
        first, other = crop(view(), view('reference'), seed=seed)
        assert np.array_equal(first['img'], other['img'])
        assert first['img'].shape == (16, 20, 3) and first['img_shape'] == (16, 20)
        assert first['img'].flags['C_CONTIGUOUS']
        x, y = corner(first)
        assert first['homography_matrix'].tolist() == [[1, 0, -x], [0, 1, -y], [0, 0, 1]]
        corners.add((x, y))
    xs, ys = (set(axis) for axis in zip(*corners, strict=True))
    assert (min(xs), max(xs), min(ys), max(ys)) == (0, W - 20, 0, H - 16)


def test_the_window_follows_the_part():
    """A view turned by half a turn, and one that sees the part shifted by (3, 2)."""
    turned = np.array([[-1.0, 0, W - 1], [0, -1, H - 1], [0, 0, 1]])
    shifted = np.array([[1.0, 0, 3], [0, 1, 2], [0, 0, 1]])
    for seed in range(20):
        first, second, third = crop(
            view(), view(homography=turned), view(homography=shifted), seed=seed
        )
        x, y = corner(first)
        assert corner(second) == (W - 20 - x, H - 16 - y)
        assert corner(third) == (np.clip(x - 3, 0, W - 20), np.clip(y - 2, 0, H - 16))


def test_earlier_transforms_count():
    """One view was enlarged to twice its size before."""
    large = view(img=np.zeros((2 * H, 2 * W, 3), np.uint8), homography_matrix=np.diag([2.0, 2, 1]))
    for seed in range(20):
        first, second = crop(view(), large, seed=seed)
        x, y = corner(first)
        centre = project_points(
            np.array([10.0, 8.0]), invert_homography(second['homography_matrix'])
        )
        assert centre == pytest.approx([x + 10, y + 8], abs=5.01)  # 10, 8 less at the edges
        inner = 5 <= x <= W - 25 and 4 <= y <= H - 20
        assert not inner or centre == pytest.approx([x + 10, y + 8], abs=0.01)


def test_boxes_are_shifted_clipped_and_slivers_dropped():
    for seed in range(50):
        boxes = [[0, 0, 60, 40], [20, 10, 30, 20], [24, 20, 26, 21], [50, 30, 60, 40]]
        first, other = crop(view(boxes=boxes), view('reference'), seed=seed, min_visible=0.5)
        x, y = corner(first)
        expected = []
        for number, (x1, y1, x2, y2) in enumerate(boxes):
            clipped = [max(x1 - x, 0), max(y1 - y, 0), min(x2 - x, 20), min(y2 - y, 16)]
            w, h = max(clipped[2] - clipped[0], 0), max(clipped[3] - clipped[1], 0)
            if w * h > 0 and w * h >= 0.5 * (x2 - x1) * (y2 - y1):
                expected.append((number, clipped))
        assert first['gt_bboxes_labels'].tolist() == [number for number, _ in expected]
        assert first['gt_bboxes'].tensor.tolist() == [box for _, box in expected]
        assert first['gt_ignore_flags'].tolist() == [number % 2 == 1 for number, _ in expected]
        assert len(other['gt_bboxes']) == 0


def test_all_touching_boxes_stay_without_a_limit():
    (first,) = crop(view(boxes=[[0, 0, 60, 40]]), min_visible=0)
    assert first['gt_bboxes'].tensor.tolist() == [[0, 0, 20, 16]]
    assert crop(view(boxes=[[0, 0, 60, 40]]), min_visible=0.3)[0]['gt_bboxes'].tensor.shape == (
        0,
        4,
    )


def test_small_images_stay_whole():
    first, other = crop(view(boxes=[[1, 2, 9, 9]]), view('reference'), crop_size=(100, 16))
    assert first['img'].shape == other['img'].shape == (16, 60, 3)
    whole, _ = crop(view(boxes=[[1, 2, 9, 9]]), view('reference'), crop_size=(100, 100))
    assert np.array_equal(whole['img'], picture())
    assert whole['gt_bboxes'].tensor.tolist() == [[1, 2, 9, 9]]


def test_the_window_is_drawn_in_a_view_to_inspect():
    """The reference is larger: a window drawn there would not fit."""
    large = view('reference', img=np.zeros((90, 90, 3), np.uint8))
    for seed in range(20):
        other, first = crop(large, view(), seed=seed)
        x, y = corner(first)
        assert other['homography_matrix'][:2, 2].tolist() == [-x, -y]


def test_a_lone_view_needs_no_homography():
    (first,) = crop(view(part_homography=None))
    assert first['img'].shape == (16, 20, 3)


def test_same_seed_same_window():
    assert corner(crop(view(), seed=3)[0]) == corner(crop(view(), view('reference'), seed=3)[0])


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'crop_sise': (4, 4)}, "unknown key 'crop_sise'; did you mean 'crop_size'"),
        ({'crop_size': 320}, r'crop_size must be \(w, h\) in whole pixels, got 320'),
        ({'crop_size': (0, 4)}, r'crop_size must be \(w, h\) in whole pixels, got \(0, 4\)'),
        ({'min_visible': 25}, 'min_visible must be 0 to 1, got 25'),
    ],
)
def test_bad_config(keys, message):
    with pytest.raises(InputError, match=f'RegisteredCrop: {message}'):
        RegisteredCrop(**keys)


def test_views_that_are_not_registered():
    with pytest.raises(InputError, match='reference.png: no part_homography'):
        crop(view(), view('reference', part_homography=None))
    with pytest.raises(InputError, match='reference.png: homography must have an inverse'):
        crop(view(), view('reference', part_homography=np.zeros((3, 3))))
    with pytest.raises(InputError, match='the sample has no views; put it after PerView'):
        RegisteredCrop()({'img': picture()})
