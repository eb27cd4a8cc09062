from __future__ import annotations

import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.seeded_draw import seeded
from mmdefect.datasets.transforms import PerView
from mmdefect.errors import ImageFileError, InputError

PACK = {'type': 'mmdefect.PackInputs', 'meta_keys': ['img_path', 'ori_shape', 'img_shape']}


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


class Draw(BaseTransform):
    """Adds what the global generator gives; refuses the views named in ``broken``."""

    def __init__(self, key='drawn', broken=()):
        self.key = key
        self.broken = broken

    def transform(self, results):
        if results['view_id'] in self.broken:
            raise ImageFileError(f'{results["img_path"]}: torn')
        results[self.key] = float(np.random.rand())
        return results


def part(*view_ids, **keys):
    views = [
        {
            'img_path': f'{view_id}.png', 'view_id': view_id, 'part_id': 'p',
            'view_role': 'reference' if view_id == 9 else 'inspect', 'file_number': 10 + view_id,
            'img': np.zeros((4, 6, 3), np.uint8), 'img_shape': (4, 6), 'ori_shape': (4, 6), **keys,
        }
        for view_id in view_ids
    ]  # fmt: skip
    return {'part_id': 'p', 'views': views}


def drawn(step, *view_ids, key='drawn'):
    with seeded(0):
        return {view['view_id']: view[key] for view in step(part(*view_ids))['views']}


def test_each_view_has_its_own_draw_whoever_else_is_there():
    step = PerView(transforms=[Draw()])
    three = drawn(step, 0, 1, 2)
    assert len(set(three.values())) == 3
    assert drawn(step, 2, 0) == {0: three[0], 2: three[2]}
    torn = PerView(transforms=[Draw(broken=[1])])
    with seeded(0):
        results = torn(part(0, 1, 2))
    assert {view['view_id']: view['drawn'] for view in results['views']} == {
        0: three[0], 2: three[2],
    }  # fmt: skip
    assert results['unreadable'] == [(11, '1.png: torn')]


def test_same_draw_and_steps_that_follow_each_other():
    assert len(set(drawn(PerView(transforms=[Draw()], same_draw=True), 0, 1, 2).values())) == 1
    first, second = PerView(transforms=[Draw()]), PerView(transforms=[Draw('again', broken=[1])])
    with seeded(0):
        results = second(first(part(0, 1, 2)))
    assert [view['view_id'] for view in results['views']] == [0, 2]
    assert all(view['drawn'] != view['again'] for view in results['views'])
    steps = [PerView(transforms=[Draw(broken=[view_id])]) for view_id in (1, 0)]
    both = steps[1](steps[0](part(0, 1, 2)))
    assert both['unreadable'] == [(11, '1.png: torn'), (10, '0.png: torn')]


def test_homography_is_there_and_accumulates():
    flip = {'type': 'RandomFlip', 'prob': 1.0, 'direction': 'horizontal'}
    scale = {'type': 'Resize', 'scale': (12, 8), 'keep_ratio': True}
    (view,) = PerView(transforms=[scale, flip])(part(0))['views']
    matrix = view['homography_matrix']
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix @ [1, 1, 1], [12 - 2, 2, 1])


@pytest.mark.parametrize('broken', [(0, 1), (0,)])
def test_no_view_to_inspect_left(broken):
    views = (0, 1, 9) if len(broken) == 2 else (0, 9)
    step = PerView(transforms=[Draw(broken=broken)])
    with pytest.raises(InputError, match=r"part 'p': no view to inspect .* \(0.png: torn\)"):
        step(part(*views))


def test_other_bad_input_is_not_a_lost_view():
    class Refuse(BaseTransform):
        def transform(self, results):
            raise InputError('a.png: pixel value 4095 is above the stated bit_depth')

    with pytest.raises(InputError, match='above the stated'):
        PerView(transforms=[Refuse()])(part(0, 1))


@pytest.mark.parametrize('key', ['part_id', 'view_role', 'homography_matrix', 'part_homography'])
@pytest.mark.parametrize('branch', [True, False])
def test_meta_keys_that_are_not_packed_raise(key, branch):
    keys = ['part_id', 'view_id', 'view_role', 'homography_matrix', 'part_homography']
    whole, lacking = (
        {**PACK, 'optional_meta_keys': [name for name in keys if name not in left]}
        for left in ((), (key,))
    )
    if branch:
        lacking = {
            'type': 'MultiBranch', 'branch_field': ['sup', 'unsup_teacher', 'unsup_student'],
            'unsup_teacher': [whole], 'unsup_student': [lacking],
        }  # fmt: skip
    step = PerView(transforms=[lacking])
    with pytest.raises(InputError, match=f"0.png: meta key '{key}' is not packed"):
        step(part(0, part_homography=np.eye(3)))
    packed = PerView(transforms=[whole])(part(0, part_homography=np.eye(3)))
    assert packed['views'][0]['data_samples'].view_id == 0
    if key == 'part_homography':
        # Free geometry has none.
        assert len(step(part(0))['views']) == 1


def test_bad_use():
    with pytest.raises(InputError, match="unknown key 'transform'; did you mean 'transforms'"):
        TRANSFORMS.build({'type': 'mmdefect.PerView', 'transform': []})
    with pytest.raises(InputError, match='no views; use it with MultiViewDataset'):
        PerView(transforms=[])({'img_path': 'a.png'})
    with pytest.raises(InputError, match='RandomAffine moves pixels'):
        PerView(transforms=[{'type': 'RandomAffine'}])
