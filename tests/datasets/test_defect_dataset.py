from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.errors import InputError

CONTENT = {
    'images': [
        {'id': 0, 'file_name': 'a.png', 'width': 30, 'height': 20, 'part_id': 'p1'},
        {'id': 1, 'file_name': 'b.png', 'width': 30, 'height': 20},
        {'id': 2, 'file_name': 'c.png', 'width': 30, 'height': 20},
    ],
    'annotations': [
        {'id': 0, 'image_id': 0, 'category_id': 0, 'bbox': [1, 2, 3, 4], 'defect_id': 5},
        {'id': 1, 'image_id': 0, 'category_id': 1, 'bbox': [5, 5, 10, 10], 'iscrowd': 1},
        {'id': 2, 'image_id': 2, 'category_id': 1, 'bbox': [0, 0, 30, 20]},
    ],
    'categories': [{'id': 0, 'name': 'rust'}, {'id': 1, 'name': 'chip'}],
}
PIPELINE = [
    {'type': 'mmdefect.LoadImage'},
    {'type': 'LoadAnnotations', 'with_bbox': True},
    {'type': 'Resize', 'scale': (60, 40), 'keep_ratio': True},
    {'type': 'mmdefect.PackInputs'},
]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


@pytest.fixture
def build(tmp_path):
    for image in CONTENT['images']:
        Image.new('RGB', (30, 20)).save(tmp_path / image['file_name'])

    def _build(content=CONTENT, **arguments):
        (tmp_path / 'train.json').write_text(json.dumps(content))
        reader = {'type': 'mmdefect.COCOReader', 'ann_file': str(tmp_path / 'train.json')}
        return DATASETS.build({'type': 'mmdefect.DefectDataset', 'reader': reader, **arguments})

    return _build


def changed(part, index, **keys):
    content = copy.deepcopy(CONTENT)
    content[part][index].update(keys)
    return content


def test_data_info_and_good_images_are_kept(build, tmp_path):
    dataset = build()
    assert len(dataset) == 3
    assert dataset.metainfo['classes'] == ('rust', 'chip')
    info = dataset.get_data_info(0)
    assert info['img_path'] == str(tmp_path / 'a.png')
    assert (info['img_id'], info['width'], info['height'], info['part_id']) == (0, 30, 20, 'p1')
    assert info['instances'] == [
        {'bbox': [1, 2, 4, 6], 'bbox_label': 0, 'ignore_flag': 0, 'defect_id': 5},
        {'bbox': [5, 5, 15, 15], 'bbox_label': 1, 'ignore_flag': 1},
    ]
    assert dataset.get_data_info(1)['instances'] == []


@pytest.mark.parametrize('classes', [('rust', 'chip'), ('chip', 'rust')])
def test_labels_follow_names_not_category_order(build, classes):
    dataset = build(metainfo={'classes': classes})
    (instance,) = dataset.get_data_info(2)['instances']
    assert classes[instance['bbox_label']] == 'chip'


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        (['rust'], "class 'chip' of .*a.png is not in the config; config: rust"),
        (['rust', 'chips'], r"'chips' of the config is not declared .*did you mean 'chip'\?"),
        (['rust', 'chip', 'dent'], "'dent' of the config is not declared .*file: rust, chip"),
        (['rust', 'chip', 'rust'], "'rust' stands twice"),
    ],
)
@pytest.mark.parametrize('on_error', ['raise', 'drop'])
def test_class_names_must_agree(build, classes, message, on_error):
    with pytest.raises(InputError, match=message) as caught:
        build(metainfo={'classes': classes}, on_error=on_error)
    assert '\n' not in str(caught.value)


def test_missing_classes_can_be_allowed_and_unused_categories_are_harmless(build):
    dataset = build(metainfo={'classes': ['dent', 'rust', 'chip']}, allow_missing_classes=True)
    assert dataset.get_data_info(2)['instances'][0]['bbox_label'] == 2
    content = {**CONTENT, 'categories': [{'id': 9, 'name': 'parent'}, *CONTENT['categories']]}
    assert len(build(content, metainfo={'classes': ['rust', 'chip']})) == 3


def test_one_class_one_image(build):
    content = {
        'images': CONTENT['images'][:1],
        'annotations': CONTENT['annotations'][:1],
        'categories': CONTENT['categories'][:1],
    }
    assert build(content).get_cat_ids(0) == [0]


@pytest.mark.parametrize('serialize', [True, False])
def test_serialised_lazy_indexed_subset(build, serialize):
    dataset = build(serialize_data=serialize, lazy_init=True, indices=[2, 0])
    assert not dataset._fully_initialized
    assert [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))] == [2, 0]
    assert dataset.get_subset([1]).get_data_info(0)['img_id'] == 0
    assert len(pickle.loads(pickle.dumps(dataset))) == 2


@pytest.mark.parametrize('test_mode', [True, False])
def test_pipeline(build, test_mode):
    dataset = build(pipeline=PIPELINE, test_mode=test_mode)
    samples = [dataset[i] for i in range(3)]
    assert [tuple(s['inputs'].shape) for s in samples] == [(3, 40, 60)] * 3
    assert [len(s['data_samples'].gt_instances) for s in samples] == [1, 0, 1]
    assert len(samples[0]['data_samples'].ignored_instances) == 1
    assert samples[0]['data_samples'].part_id == 'p1'
    assert samples[0]['data_samples'].gt_instances.bboxes.tensor.tolist() == [[2, 4, 8, 12]]


@pytest.mark.parametrize('test_mode', [True, False])
def test_a_step_that_returns_none_is_named(build, test_mode):
    crop = {'type': 'RandomCrop', 'crop_size': (40, 60), 'allow_negative_crop': False}
    steps = [*PIPELINE[:3], crop, PIPELINE[3]]
    dataset = build(pipeline=steps, test_mode=test_mode)
    assert dataset[0] is not None
    with pytest.raises(InputError, match=r'b\.png: RandomCrop returned no sample'):
        dataset[1]


@pytest.mark.parametrize(
    ('content', 'message', 'images', 'boxes'),
    [
        (changed('images', 1, id=0), 'image id 0 stands 2 times', 1, 1),
        (changed('images', 0, file_name='none.png'), 'none.png: image file is missing', 2, 1),
        (changed('images', 0, width=20, height=30), r'\(30, 20\) .* \(20, 30\), as before', 2, 1),
        (changed('images', 0, width=31), r'\(30, 20\) but its annotations say \(31, 20\)', 2, 1),
        (changed('annotations', 0, bbox=[30, 2, 3, 4]), r'annotation 0: box .* outside', 3, 2),
        (changed('annotations', 0, bbox=[-9, 2, 9, 4]), r'annotation 0: box .* outside', 3, 2),
        (changed('annotations', 0, bbox=[1, 2, 0, 4]), 'annotation 0: box has width 0', 3, 2),
        (changed('annotations', 0, bbox=[1, 1e300, 1, 4]), 'not finite', 3, 2),
    ],
)
def test_bad_input_raises_or_is_dropped_and_listed(build, content, message, images, boxes):
    with pytest.raises(InputError, match=message):
        build(content)
    dataset = build(content, on_error='drop')
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert (len(infos), sum(len(info['instances']) for info in infos)) == (images, boxes)
    assert dataset.problems


def test_boxes_partly_outside_are_clipped(build):
    content = changed('annotations', 0, bbox=[-3, 15, 10, 10])
    assert build(content).get_data_info(0)['instances'][0]['bbox'] == [0, 15, 7, 20]


def test_truncated_image(build, tmp_path):
    dataset = build(pipeline=PIPELINE)
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / 'a.png')
    data = (tmp_path / 'a.png').read_bytes()
    (tmp_path / 'a.png').write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r'a\.png: image cannot be decoded'):
        dataset[0]
    assert len(build()) == 3, 'headers are fine'
    with pytest.raises(InputError, match=r'a\.png: image cannot be decoded'):
        build(check_images='decode')
    assert len(build(check_images='decode', on_error='drop')) == 2
    dropped = build(on_error='drop', pipeline=PIPELINE)
    assert [problem.where for problem in dropped.problems] == [str(tmp_path / 'a.png')]
    assert all(sample is not None for sample in dropped)
    assert len(build(on_error='drop', check_images='header')) == 3
    (tmp_path / 'a.png').unlink()
    assert len(build(check_images='none')) == 3


def test_exif_rotated_jpeg_with_upright_annotations(build, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (20, 30)).save(tmp_path / 'turned.jpg', exif=exif)
    dataset = build(changed('images', 0, file_name='turned.jpg'), pipeline=PIPELINE)
    assert tuple(dataset[0]['inputs'].shape) == (3, 40, 60)


def test_filter_only_when_stated(build):
    assert len(build(filter_cfg={'filter_empty_gt': True})) == 2
    assert len(build(filter_cfg={'filter_empty_gt': True}, test_mode=True)) == 3
    with pytest.raises(InputError, match='filter_cfg drops every image'):
        build(filter_cfg={'min_size': 21})


def test_part_homography(build):
    eye = np.eye(3).tolist()
    dataset = build(changed('images', 0, part_homography=eye))
    np.testing.assert_array_equal(dataset.get_data_info(0)['part_homography'], np.eye(3))
    with pytest.raises(InputError, match='part_homography must be 3x3'):
        build(changed('images', 0, part_homography=[1, 2]))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'reader': None}, "key 'reader' is missing"),
        ({'pipelin': []}, "unknown key 'pipelin'; did you mean 'pipeline'"),
        ({'ann_file': 'x.json'}, "unknown key 'ann_file'"),
        ({'filter_cfg': {'min_siz': 3}}, "unknown key 'min_siz'"),
        ({'check_images': 'all'}, 'check_images must be one of'),
        ({'on_error': 'skip'}, 'on_error must be one of'),
        ({'metainfo': {'classes': 'rust'}}, 'classes must be a list'),
        ({'reader': {'type': 'mmdefect.COCOReader', 'annfile': 'x'}}, "unknown key 'annfile'"),
        (
            {'reader': {'type': 'mmdefect.COCOReader', 'ann_file': 'x', 'unknown': 1}},
            "key 'unknown'",
        ),
        ({'reader': {'type': 'mmdefect.COCOReader'}}, "COCOReader: key 'ann_file' is missing"),
        ({'reader': {'type': 'mmdefect.CocoReader'}}, 'reader type must be one of .*COCOReader'),
        ({'reader': {}}, 'reader type must be one of'),
    ],
)
def test_bad_arguments(build, arguments, message):
    with pytest.raises(InputError, match=message):
        build(**arguments)


@pytest.mark.parametrize('lazy', [True, False])
def test_empty_file(build, lazy):
    def load():
        build({'images': [], 'annotations': [], 'categories': []}, lazy_init=lazy).full_init()

    with pytest.raises(InputError, match='no images; check the path'):
        load()


def test_nothing_left_says_why(build):
    content = {
        'images': [{'id': 1, 'file_name': 'gone.png', 'width': 0, 'height': 1}],
        'annotations': [],
        'categories': [],
    }
    with pytest.raises(InputError, match='no images; dropped 1: .*gone.png: width and height'):
        build(content, on_error='drop').full_init()


def test_voc_class_without_boxes_is_no_error(tmp_path):
    for folder in ('images', 'annotations'):
        (tmp_path / folder).mkdir()
    Image.new('L', (30, 20)).save(tmp_path / 'images' / 'a.jpg')
    (tmp_path / 'annotations' / 'a.xml').write_text('<annotation></annotation>')
    dataset = DATASETS.build(
        {
            'type': 'mmdefect.DefectDataset',
            'reader': {'type': 'mmdefect.VOCReader', 'root': str(tmp_path)},
            'metainfo': {'classes': ['rust']},
        }
    )
    assert dataset.get_data_info(0)['instances'] == []


def test_neu_det_through_the_pipeline():
    folder = Path(os.environ.get('MMDEFECT_DATA', '')) / 'neu_det'
    if not os.environ.get('MMDEFECT_DATA') or not folder.is_dir():
        pytest.skip('MMDEFECT_DATA names no folder with neu_det')
    dataset = DATASETS.build(
        {
            'type': 'mmdefect.DefectDataset',
            'reader': {'type': 'mmdefect.VOCReader', 'root': folder, 'list_file': 'val.txt'},
            'pipeline': PIPELINE,
        }
    )
    assert len(dataset) == 283
    assert dataset[0]['inputs'].shape[0] == 3
    assert not dataset.problems


def test_defects_of_whatever_kind_are_one_class(build):
    dataset = build(metainfo=dict(classes=('defect',)), single_class=True)
    assert dataset.metainfo['classes'] == ('defect',)
    labels = [[item['bbox_label'] for item in dataset[i]['instances']] for i in range(3)]
    assert labels == [[0, 0], [], [0]]
    for names in (('rust', 'chip'), 'defect', None):
        metainfo = None if names is None else dict(classes=names)
        with pytest.raises(InputError, match='single_class needs one name in metainfo.classes'):
            build(metainfo=metainfo, single_class=True)
