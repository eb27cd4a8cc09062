from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets import multi_view_dataset
from mmdefect.datasets.seeded_draw import DrawnIndex
from mmdefect.errors import InputError

LOAD = [{'type': 'mmdefect.LoadImage'}, {'type': 'LoadAnnotations', 'with_bbox': True}]
SCALE = {'type': 'Resize', 'scale': (60, 40), 'keep_ratio': True}
FLIP = {'type': 'RandomFlip', 'prob': 0.5}
LIGHT = {'type': 'PhotoMetricDistortion'}
PACK = {'type': 'mmdefect.PackInputs'}
PCB = {
    'type': 'mmdefect.MultiViewDataset', 'template_key': 'template_path', 'geometry': 'aligned',
    'group_by': 'image', 'num_views': 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


@pytest.fixture
def warnings(monkeypatch):
    told = []
    monkeypatch.setattr(multi_view_dataset, 'print_log', lambda text, **_: told.append(text))
    return told


def per_view(*steps, **keys):
    return {'type': 'mmdefect.PerView', 'transforms': list(steps), **keys}


def build(ann_file, **arguments):
    reader = {'type': 'mmdefect.COCOReader', 'ann_file': str(ann_file)}
    return DATASETS.build({'type': 'mmdefect.MultiViewDataset', 'reader': reader, **arguments})


def folder(path, **arguments):
    reader = {'type': 'mmdefect.FolderReader', 'source': str(path)}
    metainfo = {'classes': ('rust',)}
    return DATASETS.build(
        {'type': 'mmdefect.MultiViewDataset', 'reader': reader, 'metainfo': metainfo, **arguments}
    )


def truncate(path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:900])


def test_one_item_is_one_part(write_parts):
    dataset = build(write_parts(), pipeline=[per_view(*LOAD, SCALE, PACK)])
    assert len(dataset) == 2
    assert dataset.metainfo['classes'] == ('rust',)
    samples = [[view['data_samples'] for view in dataset[index]['views']] for index in range(2)]
    assert [[sample.view_id for sample in part] for part in samples] == [[0, 1, 2], [0, 1]]
    assert [[len(sample.gt_instances) for sample in part] for part in samples] == [
        [1, 0, 0], [1, 0],
    ]  # fmt: skip
    last = samples[0][2]
    assert (last.part_id, last.view_role, last.ori_shape, last.img_shape) == (
        'p0', 'inspect', (20, 30), (40, 60),
    )  # fmt: skip
    np.testing.assert_array_equal(last.part_homography, [[1, 0, 10], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(last.homography_matrix, np.diag([2, 2, 1]))
    assert samples[1][0].instances[0]['defect_id'] == 1
    assert (dataset[1]['views'][1]['inputs'] == 11).all()


def test_views_come_sorted_and_parts_in_the_order_of_the_file(write_parts):
    dataset = build(write_parts((2, 3), change=lambda content: content['images'].reverse()))
    parts = [dataset.get_data_info(index) for index in range(2)]
    assert [part['part_id'] for part in parts] == ['p1', 'p0']
    assert [[view['view_id'] for view in part['views']] for part in parts] == [[0, 1, 2], [0, 1]]
    assert [len(part['instances']) for part in parts] == [1, 1]
    assert dataset.get_cat_ids(0) == [0]


@pytest.mark.parametrize('serialize', [True, False])
def test_indices_subsets_and_filters_count_parts(write_parts, serialize):
    path = write_parts((1, 1, 1), change=lambda content: content['annotations'].pop(1))
    dataset = build(path, serialize_data=serialize, indices=[2, 1], lazy_init=True)
    dataset.full_init()
    assert [dataset.get_data_info(index)['part_id'] for index in range(2)] == ['p2', 'p1']
    assert dataset.get_subset([1]).get_data_info(0)['part_id'] == 'p1'
    assert len(pickle.loads(pickle.dumps(dataset))) == 2
    assert len(build(path, filter_cfg={'filter_empty_gt': True})) == 2
    with pytest.raises(InputError, match='filter_cfg drops every'):
        build(path, filter_cfg={'min_size': 21})


@pytest.mark.parametrize('geometry', ['registered', 'aligned', 'free'])
def test_geometry(write_parts, geometry):
    views = build(write_parts(), geometry=geometry).get_data_info(0)['views']
    if geometry == 'free':
        assert all('part_homography' not in view for view in views)
    else:
        shift = 10 if geometry == 'registered' else 0
        np.testing.assert_array_equal(
            views[2]['part_homography'], [[1, 0, shift], [0, 1, 0], [0, 0, 1]]
        )


def test_missing_homography_raises_at_start(write_parts):
    path = write_parts(change=lambda content: content['images'][3].pop('part_homography'))
    with pytest.raises(InputError, match=r'p1_v0.png: the image has no key part_homography'):
        build(path)
    assert len(build(path, geometry='free')) == 2


def test_reference_views(write_parts, warnings):
    dataset = build(write_parts(), reference_views=[1], pipeline=[per_view(*LOAD, SCALE, PACK)])
    roles = [view['data_samples'].view_role for view in dataset[0]['views']]
    assert roles == ['inspect', 'reference', 'inspect']
    dataset = build(write_parts(), reference_pattern=r'_v[12]\.')
    roles = [view['view_role'] for view in dataset.get_data_info(0)['views']]
    assert roles == ['inspect', 'reference', 'reference']
    word = 'there is no reference view, though'
    assert not any(word in line for line in warnings)
    for key, value in (('reference_pattern', 'golden'), ('template_key', 'template_pth')):
        warnings.clear()
        build(write_parts(), **{key: value})
        assert any(word in line for line in warnings)
    with pytest.raises(InputError, match='p0_v0.png: a reference view must be free of defects'):
        build(write_parts(), reference_views=[0])
    with pytest.raises(InputError, match="part 'p1': has no view to inspect"):
        path = write_parts((2, 1), change=lambda content: content['annotations'].clear())
        build(path, reference_views=[0])


def test_plain_folders_without_annotations(tmp_path):
    for name in ('p1/left.png', 'p1/right.png', 'p2/right.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new('L', (30, 20)).save(tmp_path / name)
    dataset = folder(tmp_path, group_by='folder', geometry='free', num_views=2)
    parts = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [[view['view_id'] for view in part['views']] for part in parts] == [[0, 1], [1]]
    assert [part['part_id'] for part in parts] == ['p1', 'p2']
    pattern = r'(?P<part>[^/]+)/(?P<view>\w+)'
    same = folder(tmp_path, group_by='pattern', pattern=pattern, geometry='aligned')
    assert [part['part_id'] for part in map(same.get_data_info, range(2))] == ['p1', 'p2']
    each = folder(tmp_path, group_by='image', geometry='free')
    assert len(each) == 3 and len(each.get_data_info(2)['views']) == 1


@pytest.mark.parametrize(
    ('change', 'arguments', 'message'),
    [
        ({'view_id': 1}, {}, "p0_v1.png: is view 1 of part 'p0', and so is .*p0_v0.png"),
        ({}, {'num_views': 2}, 'p0_v2.png: view_id 2 does not fit num_views=2'),
        ({'part_homography': np.zeros((3, 3)).tolist()}, {}, 'p0_v0.png: .* has no inverse'),
        ({'width': 10, 'height': 8}, {'geometry': 'aligned', 'check_images': 'none'},
         r"part 'p0' have sizes .*\[\(10, 8\), \(30, 20\)\]"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit(write_parts, change, arguments, message):
    with pytest.raises(InputError, match=message):
        build(write_parts(change=lambda content: content['images'][0].update(change)), **arguments)


def test_a_view_that_stands_twice_can_be_dropped(write_parts):
    path = write_parts(change=lambda content: content['images'][1].update(view_id=0))
    dataset = build(path, on_error='drop')
    assert len(dataset.get_data_info(0)['views']) == 2
    assert 'is view 0' in str(dataset.problems[0])


@pytest.mark.parametrize('on_error', ['raise', 'drop'])
def test_a_view_missing_on_loading_is_left_out_counted_and_never_replaced(
    write_parts, tmp_path, on_error
):
    path = write_parts()
    (tmp_path / 'train/p0_v1.png').unlink()
    pipeline = [per_view(*LOAD, SCALE, PACK)]
    dataset = build(path, on_error=on_error, pipeline=pipeline, num_views=3)
    assert [problem.where for problem in dataset.problems] == [str(tmp_path / 'train/p0_v1.png')]
    views = dataset[0]['views']
    assert [view['data_samples'].view_id for view in views] == [0, 2]
    assert [int(view['inputs'][0, 0, 0]) for view in views] == [0, 2]


@pytest.mark.parametrize('fault', [Path.unlink, lambda path: path.write_bytes(b'')])
def test_files_that_give_no_size_are_left_out_too(write_parts, tmp_path, fault):
    def without_sizes(content):
        for image in content['images']:
            del image['width'], image['height']

    path = write_parts((2, 2), change=without_sizes)
    fault(tmp_path / 'train/p1_v0.png')
    dataset = build(path)
    pattern = r'(?P<part>p\d)_v(?P<view>\d)'
    plain = folder(tmp_path / 'train', group_by='pattern', pattern=pattern, geometry='free')
    for found in (dataset, plain):
        views = [
            [view['view_id'] for view in found.get_data_info(index)['views']] for index in (0, 1)
        ]
        assert views == [[0, 1], [1]]
    assert len(dataset.problems) == 1 and 'p1_v0.png' in str(dataset.problems[0])
    fault(tmp_path / 'train/p1_v1.png')
    assert len(build(path)) == 1
    with pytest.raises(InputError, match='no images; dropped 4: .*p0_v0.png'):
        for view in range(2):
            fault(tmp_path / f'train/p0_v{view}.png')
        build(path)


@pytest.mark.parametrize('fault', [Path.unlink, truncate])
def test_a_view_lost_during_training_is_told_of_once(write_parts, tmp_path, fault, warnings):
    dataset = build(write_parts((3, 2)), pipeline=[per_view(*LOAD, SCALE, PACK)])
    whole = dataset[0]['views']
    warnings.clear()
    fault(tmp_path / 'train/p0_v1.png')
    for _ in range(3):
        item = dataset[0]
        assert [view['data_samples'].view_id for view in item['views']] == [0, 2]
        assert torch.equal(item['views'][1]['inputs'], whole[2]['inputs'])
        assert 'unreadable' not in item
    assert dataset.unreadable_views == 1
    assert len(warnings) == 1 and 'p0_v1.png' in warnings[0] and '1 view so far' in warnings[0]
    for name in ('p0_v0', 'p0_v2'):
        fault(tmp_path / f'train/{name}.png')
    with pytest.raises(InputError, match=r"part 'p0': no view to inspect can be read \(.*p0_v0"):
        dataset[0]
    assert len(dataset[1]['views']) == 2


def test_an_unseen_view_changes_nothing_for_the_others(write_parts, tmp_path):
    steps = [per_view(*LOAD, LIGHT, SCALE, FLIP, PACK)]
    dataset = build(write_parts((3,)), pipeline=steps)
    before = dataset[DrawnIndex(0, (0, 0, 1))]['views']
    (tmp_path / 'train/p0_v1.png').unlink()
    after = dataset[DrawnIndex(0, (0, 0, 1))]['views']
    assert torch.equal(before[0]['inputs'], after[0]['inputs'])
    assert torch.equal(before[2]['inputs'], after[1]['inputs'])


def test_an_item_depends_on_its_draw_only(write_parts):
    dataset = build(write_parts((3,)), pipeline=[per_view(*LOAD, LIGHT, SCALE, FLIP, PACK)])

    def views(*entropy):
        return [view['inputs'] for view in dataset[DrawnIndex(0, entropy)]['views']]

    first = views(0, 0, 1)
    np.random.seed(5)
    assert all(torch.equal(*pair) for pair in zip(first, views(0, 0, 1), strict=True))
    others = [views(0, 0, number) for number in range(2, 6)]
    assert not all(torch.equal(first[0], other[0]) for other in others)
    state = np.random.get_state()[1].copy()
    views(0, 0, 1)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_step_that_returns_none_is_named(write_parts):
    crop = {'type': 'RandomCrop', 'crop_size': (5, 5), 'allow_negative_crop': False}
    dataset = build(write_parts((2,)), pipeline=[per_view(*LOAD, crop, PACK)])
    with pytest.raises(InputError, match=r'p0_v\d.png: RandomCrop returned no sample'):
        dataset[0]


def test_a_pipeline_without_per_view_is_refused(write_parts):
    with pytest.raises(InputError, match='pipeline must begin with mmdefect.PerView, got LoadImag'):
        build(write_parts(), pipeline=[*LOAD, PACK])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'geometry': 'fixed'}, "geometry must be one of .* got 'fixed'"),
        ({'num_views': 0}, 'num_views must be >= 1, got 0'),
        ({'reference_pattern': '('}, r"reference_pattern '\('"),
        ({'group_by': 'parts'}, 'group_by must be one of'),
        ({'reference_view': [1]}, "MultiViewDataset: unknown key 'reference_view'; did you mean"),
        ({'reader': None}, "MultiViewDataset: key 'reader' is missing"),
    ],
)
def test_bad_arguments(write_parts, arguments, message):
    with pytest.raises(InputError, match=message):
        build(write_parts(), **arguments)


def pcb(tmp_path, **arguments):
    for number in (7, 8):
        for kind, value in (('test', 50), ('temp', 90)):
            Image.new('L', (64, 48), value + number).save(tmp_path / f'{number}_{kind}.png')
        (tmp_path / f'{number}.txt').write_text('1 2 10 20 3' if number == 7 else '')
    reader = {'type': 'mmdefect.DeepPCBReader', 'source': str(tmp_path)}
    return DATASETS.build({**PCB, 'reader': reader, **arguments})


def test_template_beside_the_image_is_a_reference_view(tmp_path):
    dataset = pcb(tmp_path, pipeline=[per_view(*LOAD, SCALE, PACK)])
    assert len(dataset) == 2
    for index, board in enumerate((7, 8)):
        test, template = dataset[index]['views']
        assert (test['data_samples'].view_role, test['data_samples'].view_id) == ('inspect', 0)
        sample = template['data_samples']
        assert (sample.view_role, sample.view_id, len(sample.gt_instances)) == ('reference', 1, 0)
        assert sample.part_id == test['data_samples'].part_id
        np.testing.assert_array_equal(sample.part_homography, np.eye(3))
        assert (template['inputs'] == 90 + board).all() and (test['inputs'] == 50 + board).all()
    (tmp_path / '8_temp.png').write_bytes(b'')
    reader = {'type': 'mmdefect.DeepPCBReader', 'source': str(tmp_path)}
    lacking = DATASETS.build({**PCB, 'reader': reader})
    assert [len(lacking.get_data_info(index)['views']) for index in range(2)] == [2, 1]
    assert [problem.where for problem in lacking.problems] == [str(tmp_path / '8_temp.png')]


def ramp(tmp_path):
    """Pixels that tell their place."""
    pixels = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) % 251
    for kind in ('test', 'temp'):
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f'7_{kind}.png')


def test_same_draw_crops_image_and_template_alike(tmp_path):
    crop = {'type': 'RandomCrop', 'crop_size': (16, 16), 'allow_negative_crop': True}
    same = per_view(*LOAD, crop, FLIP, same_draw=True)
    dataset = pcb(tmp_path, pipeline=[same, per_view({**SCALE, 'scale': (16, 16)}, PACK)])
    ramp(tmp_path)
    for number in range(5):
        test, template = dataset[DrawnIndex(0, (number,))]['views']
        assert torch.equal(test['inputs'], template['inputs'])
        np.testing.assert_array_equal(
            test['data_samples'].homography_matrix, template['data_samples'].homography_matrix
        )
    apart = pcb(tmp_path, pipeline=[per_view(*LOAD, crop, {**SCALE, 'scale': (16, 16)}, PACK)])
    ramp(tmp_path)
    views = [apart[DrawnIndex(0, (number,))]['views'] for number in range(5)]
    assert not all(torch.equal(test['inputs'], other['inputs']) for test, other in views)


@pytest.mark.parametrize('size', [(30, 20), (20, 30)], ids=['landscape', 'portrait'])
def test_batches_do_not_depend_on_loader_processes(write_parts, size):
    """Semi-supervised: two sources, all images of one orientation."""
    branches = ['sup', 'unsup_teacher', 'unsup_student']

    def split(**pipelines):
        return {'type': 'MultiBranch', 'branch_field': branches, **pipelines}

    weak, strong = [SCALE, FLIP, PACK], [SCALE, FLIP, LIGHT, PACK]
    sources = [
        {'type': 'mmdefect.MultiViewDataset',
         'reader': {'type': 'mmdefect.COCOReader', 'ann_file': str(path)},
         'pipeline': [per_view(*LOAD, last)]}
        for path, last in (
            (write_parts((3, 2), size), split(sup=weak)),
            (write_parts((1, 2, 2, 1, 1), size, name='more'),
             split(unsup_teacher=weak, unsup_student=strong)),
        )
    ]  # fmt: skip
    loader = {
        'batch_size': 3,
        'sampler': {
            'type': 'mmdefect.SemiSupervisedSampler', 'batch_size': 3, 'source_ratio': [1, 2]
        },
        'collate_fn': {'type': 'mmdefect.multi_view_collate'},
        'dataset': {'type': 'ConcatDataset', 'datasets': sources},
    }  # fmt: skip

    def batches(workers):
        config = copy.deepcopy({**loader, 'num_workers': workers})
        found = []
        for batch in Runner.build_dataloader(config, seed=0):
            found.append(batch)
            if len(found) == 4:
                return found

    alone, together = batches(0), batches(2)
    for one, other in zip(alone, together, strict=True):
        for branch in branches:
            images, samples = one['inputs'][branch], one['data_samples'][branch]
            labelled = [sample is not None for sample in one['data_samples']['sup']]
            expected = labelled if branch == 'sup' else [not value for value in labelled]
            assert [image is not None for image in images] == expected
            assert labelled == sorted(labelled, reverse=True)
            for image, twin, sample, second in zip(
                images, other['inputs'][branch], samples,
                other['data_samples'][branch], strict=True,
            ):  # fmt: skip
                assert (image is None) == (twin is None)
                if image is not None:
                    assert torch.equal(image, twin)
                    assert (sample.part_id, sample.view_id) == (second.part_id, second.view_id)
                    np.testing.assert_array_equal(
                        sample.homography_matrix, second.homography_matrix
                    )


def test_a_view_lost_in_a_loader_process_is_counted_here(write_parts, tmp_path):
    dataset = build(write_parts((2, 2, 2, 2)), pipeline=[per_view(*LOAD, SCALE, PACK)])
    (tmp_path / 'train/p1_v1.png').unlink()
    loader = {
        'dataset': dataset, 'batch_size': 2, 'num_workers': 2,
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        'collate_fn': {'type': 'mmdefect.multi_view_collate'},
    }  # fmt: skip
    built = Runner.build_dataloader(loader, seed=0)
    for _ in range(2):
        # The second item of the first batch lacks a view.
        assert [len(batch['inputs']) for batch in built] == [3, 4]
    assert built.dataset.unreadable_views == dataset.unreadable_views == 1


def test_deep_pcb_two_views():
    root = Path(os.environ.get('MMDEFECT_DATA', '')) / 'deep_pcb'
    if not os.environ.get('MMDEFECT_DATA') or not root.is_dir():
        pytest.skip('MMDEFECT_DATA names no folder with deep_pcb')
    reader = {'type': 'mmdefect.DeepPCBReader', 'source': str(root), 'list_file': 'val.txt'}
    dataset = DATASETS.build({**PCB, 'reader': reader, 'pipeline': [per_view(*LOAD, SCALE, PACK)]})
    lines = (root / 'val.txt').read_text().split('\n')
    assert len(dataset) == sum(bool(line.strip()) for line in lines)
    assert not dataset.problems
    assert all(
        [view['view_role'] for view in dataset.get_data_info(index)['views']]
        == ['inspect', 'reference']
        for index in range(len(dataset))
    )
    test, template = dataset[3]['views']
    assert test['inputs'].shape == template['inputs'].shape
    # The same board: most pixels agree.
    difference = (test['inputs'].float() - template['inputs'].float()).abs()
    assert (difference < 64).float().mean() > 0.9


def test_drill_sample(tmp_path):
    from mmdefect.datasets.synthetic import write_drill

    write_drill(tmp_path, parts={'train': 2, 'val': 0, 'test': 0, 'unlabeled': 1})
    for name, boxes in (('train', True), ('unlabeled', False), ('unlabeled_truth', True)):
        dataset = build(tmp_path / f'{name}.json', num_views=8)
        content = json.loads((tmp_path / f'{name}.json').read_text())
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        assert [len(info['views']) for info in infos] == [8] * (len(content['images']) // 8)
        assert sum(len(info['instances']) for info in infos) == len(content['annotations'])
        assert bool(content['annotations']) == boxes
