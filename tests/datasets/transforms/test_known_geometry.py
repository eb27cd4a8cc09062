"""homography_matrix says where each pixel of the original image went."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.transforms.known_geometry import require_known_geometry
from mmdefect.errors import InputError
from mmdefect.geometry import project_points

HEIGHT, WIDTH = 90, 120
MARKS = ((60, 45), (31, 22), (95, 70))

COLOUR = [[dict(type='mmdefect.ColourSpace')]]
GEOMETRIC = [
    [dict(type='Rotate', max_mag=20.0)],
    [dict(type='ShearX', max_mag=15.0)],
    [dict(type='ShearY', max_mag=15.0)],
    [dict(type='TranslateX', max_mag=0.1)],
    [dict(type='TranslateY', max_mag=0.1)],
]
WEAK = [
    dict(type='RandomResize', scale=[(100, 80), (180, 120)], keep_ratio=True),
    dict(type='RandomFlip', prob=[0.3, 0.3, 0.3], direction=['horizontal', 'vertical', 'diagonal']),
]
STRONG = [
    *WEAK,
    dict(
        type='RandomOrder',
        transforms=[
            dict(type='mmdefect.ColourSpace'),
            dict(type='RandAugment', aug_space=GEOMETRIC, aug_num=1),
        ],
    ),
    dict(type='RandomErasing', n_patches=(1, 2), ratio=(0, 0.1)),
]
STEPS = {
    'nothing': [],
    'Resize': [dict(type='Resize', scale=(200, 160), keep_ratio=True)],
    'Resize, ratio not kept': [dict(type='Resize', scale=(200, 60), keep_ratio=False)],
    'RandomResize': WEAK[:1],
    'RandomChoiceResize': [dict(type='RandomChoiceResize', scales=[(150, 99), (80, 66)])],
    'FixShapeResize': [dict(type='FixShapeResize', width=130, height=130, keep_ratio=True)],
    **{
        f'RandomFlip {way}': [dict(type='RandomFlip', prob=1.0, direction=way)]
        for way in ('horizontal', 'vertical', 'diagonal')
    },
    'RandomFlip, not drawn': [dict(type='RandomFlip', prob=0.0)],
    'RandomCrop': [dict(type='RandomCrop', crop_size=(60, 80), allow_negative_crop=True)],
    'Pad': [dict(type='Pad', size_divisor=32)],
    'Rotate': [dict(type='Rotate', prob=1.0, level=5)],
    'ShearX': [dict(type='ShearX', prob=1.0, level=5)],
    'ShearY': [dict(type='ShearY', prob=1.0, level=5)],
    'TranslateX': [dict(type='TranslateX', prob=1.0, level=5, max_mag=0.2)],
    'TranslateY': [dict(type='TranslateY', prob=1.0, level=5, max_mag=0.2)],
    'ColourSpace': [dict(type='mmdefect.ColourSpace', aug_num=6)],
    'RandomErasing': STRONG[-1:],
    'weak': WEAK,
    'strong': STRONG,
    'weak, then cropped': [
        *WEAK,
        dict(type='RandomCrop', crop_size=(60, 60), allow_negative_crop=True),
        dict(type='Pad', size_divisor=32),
    ],
}


def packed(steps, picture, box, seed):
    init_default_scope('mmdet')
    np.random.seed(seed)
    sample = {
        'img': picture, 'img_path': 'a.png', 'img_id': 0, 'img_shape': (HEIGHT, WIDTH),
        'ori_shape': (HEIGHT, WIDTH), 'height': HEIGHT, 'width': WIDTH, 'scale_factor': (1.0, 1.0),
        'instances': [{'bbox': box, 'bbox_label': 0, 'ignore_flag': 0}],
    }  # fmt: skip
    load = dict(type='LoadAnnotations', with_bbox=True)
    return Compose([load, *steps, dict(type='mmdefect.PackInputs')])(sample)


def marked(x, y):
    """Grey, with a red spot; where it is must not depend on light."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 2.0**2))
    picture = np.full((HEIGHT, WIDTH, 3), 90.0)
    picture[..., 2] += 160 * spot
    return picture.round().astype(np.uint8)


def find_spot(inputs):
    """Centre of the spot in box coordinates; None if it is not there, or not whole."""
    red = inputs[2].numpy().astype(float) - inputs[1].numpy()
    # A black border, or an erased patch, is no spot.
    red = np.where(red > 0.3 * max(red.max(), 40), red, 0)
    rows, columns = red.nonzero()
    if len(rows) < 6 or np.ptp(rows) > 30 or np.ptp(columns) > 30:
        return None
    if min(rows.min(), columns.min()) < 1 or rows.max() > red.shape[0] - 2:
        return None
    if columns.max() > red.shape[1] - 2:
        return None
    rows_at, columns_at = np.mgrid[: red.shape[0], : red.shape[1]]
    return np.array([(red * columns_at).sum(), (red * rows_at).sum()]) / red.sum() + 0.5


@pytest.mark.parametrize('name', STEPS)
def test_a_marked_pixel_is_where_the_matrix_says(name):
    found = 0
    for seed, (x, y) in enumerate(MARKS * 6):
        done = packed(STEPS[name], marked(x, y), [x - 6, y - 5, x + 7, y + 6], seed)
        sample = done['data_samples']
        matrix = sample.homography_matrix
        assert matrix.shape == (3, 3) and matrix.dtype == np.float32
        spot = find_spot(done['inputs'])
        if spot is None:
            continue
        found += 1
        expected = project_points(np.array([x + 0.5, y + 0.5]), matrix)
        # Upstream turns and shears about pixel centres: up to half a pixel of theirs.
        np.testing.assert_allclose(spot, expected, atol=1.0, err_msg=f'{name}, seed {seed}')
        # And so is the box that trains.
        box = sample.gt_instances.bboxes
        box = box.tensor[0].numpy() if hasattr(box, 'tensor') else box[0].numpy()
        assert (box[:2] <= spot).all() and (spot <= box[2:]).all()
    assert found >= 5


@pytest.mark.parametrize('name', ['nothing', 'Pad', 'ColourSpace', 'RandomErasing'])
def test_identity_where_no_geometric_step_ran(name):
    done = packed(STEPS[name], marked(60, 45), [50, 40, 70, 50], 0)
    np.testing.assert_array_equal(done['data_samples'].homography_matrix, np.eye(3))


def test_both_branches_of_a_semi_supervised_pipeline_have_one():
    init_default_scope('mmdet')
    pack = dict(type='mmdefect.PackInputs')
    branches = dict(unsup_teacher=[*WEAK, pack], unsup_student=[*STRONG, pack])
    step = TRANSFORMS.build(dict(type='MultiBranch', branch_field=['sup', *branches], **branches))
    sample = {
        'img': marked(60, 45), 'img_path': 'a.png', 'img_id': 0, 'img_shape': (HEIGHT, WIDTH),
        'ori_shape': (HEIGHT, WIDTH), 'instances': [],
    }  # fmt: skip
    np.random.seed(1)
    done = step(Compose([dict(type='LoadAnnotations', with_bbox=True)])(sample))
    spots = []
    for branch in branches:
        matrix = done['data_samples'][branch].homography_matrix
        spot = find_spot(done['inputs'][branch])
        np.testing.assert_allclose(spot, project_points(np.array([60.5, 45.5]), matrix), atol=1)
        spots.append(spot)
    assert not np.allclose(*spots, atol=2)


@pytest.mark.parametrize(
    'step',
    ['RandomAffine', 'RandomShift', 'Expand', 'MinIoURandomCrop', 'MixUp', 'CachedMosaic',
     'CopyPaste'],
)  # fmt: skip
def test_steps_that_do_not_record_are_refused_wherever_they_hide(step):
    init_default_scope('mmdet')
    config = dict(type=step)
    for steps in (
        [config],
        [dict(type='RandomOrder', transforms=[config])],
        [dict(type='RandomChoice', transforms=[[dict(type='RandomFlip', prob=0.5)], [config]])],
        [dict(type='RandAugment', aug_space=[[config]], aug_num=1)],
        [dict(type='MultiBranch', branch_field=['sup'], sup=[config])],
    ):
        with pytest.raises(InputError, match=f'{step} moves pixels but does not record'):
            require_known_geometry(Compose(steps).transforms)


def test_steps_that_do_not_record_really_do_not():
    """If upstream learns to, the list may shrink."""
    step = dict(type='RandomAffine', max_translate_ratio=0.2, scaling_ratio_range=(0.6, 0.7))
    done = packed([step], marked(60, 45), [50, 40, 70, 50], 0)
    np.testing.assert_array_equal(done['data_samples'].homography_matrix, np.eye(3))


@pytest.mark.parametrize('name', STEPS)
def test_the_others_are_accepted(name):
    init_default_scope('mmdet')
    require_known_geometry(Compose(STEPS[name]).transforms)
