"""Contact sheets of what a model sees."""

from __future__ import annotations

import random
import re

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample as ClassifiedSample

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.seeded_draw import seeded
from mmdefect.engine.browse import browse
from mmdefect.engine.browse.samples import Sample, choose_samples, draw_sample
from mmdefect.engine.browse.sheet import _summary
from mmdefect.engine.browse.views import split_views, to_model, to_picture
from mmdefect.engine.config_file import read_config
from mmdefect.errors import InputError


def preprocessor(**options):
    init_default_scope('mmdet')
    return MODELS.build(dict(type='DetDataPreprocessor', **options))


@pytest.mark.parametrize('conversion', [{}, {'bgr_to_rgb': True}, {'rgb_to_bgr': True}])
@pytest.mark.parametrize(
    'scale',
    [
        {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375]},
        {'mean': [103.53, 116.28, 123.675], 'std': [1.0, 1.0, 1.0]},
        {'mean': [117.0], 'std': [57.6]},
        {},
    ],
    ids=['imagenet', 'caffe', 'one mean', 'none'],
)
def test_normalisation_is_undone_exactly(scale, conversion):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    module = preprocessor(pad_size_divisor=32, **scale, **conversion)
    given = pixels[..., ::-1] if 'rgb_to_bgr' in conversion else pixels
    tensor = torch.from_numpy(np.ascontiguousarray(given.transpose(2, 0, 1)))
    seen = module({'inputs': [tensor], 'data_samples': None})['inputs'][0]
    picture = to_picture(seen, module, rgb_input='rgb_to_bgr' in conversion)
    np.testing.assert_array_equal(picture, pixels)


def test_grey_and_values_beyond_the_range():
    module = preprocessor(mean=[117.0], std=[57.6])
    tensor = torch.tensor([[[0.0, 254.6, 300.0, -20.0]]])
    picture = to_picture(module({'inputs': [tensor]})['inputs'][0], module)
    assert picture.shape == (1, 4, 3)
    assert picture[0].tolist() == [[0] * 3, [255] * 3, [255] * 3, [0] * 3]


def test_padding_is_part_of_the_picture():
    module = preprocessor(mean=[100.0] * 3, std=[10.0] * 3, pad_size_divisor=32)
    small, large = torch.zeros(3, 20, 20), torch.zeros(3, 40, 50)
    samples = [Sample(index, 0, 0, {'inputs': image}) for index, image in enumerate([small, large])]
    views = [item[''] for item in to_model(samples, module, training=True)]
    assert [view.picture.shape for view in views] == [(64, 64, 3)] * 2
    # Zero after normalisation is the mean.
    assert (views[0].picture[20:] == 100).all() and (views[0].picture[:20, :20] == 0).all()


def test_single_branched_and_multi_view_samples():
    image = torch.zeros(3, 4, 4)
    branched = {'inputs': {'sup': None, 'a': image, 'b': image}, 'data_samples': {'a': 1, 'b': 2}}
    assert split_views(Sample(0, 0, None, branched)) == {'a': (image, 1), 'b': (image, 2)}
    listed = {'inputs': [image, image], 'data_samples': [1, 2]}
    assert split_views(Sample(0, 0, None, listed)) == {'view 0': (image, 1), 'view 1': (image, 2)}
    assert split_views(Sample(0, 0, None, {'inputs': image})) == {'': (image, None)}


def test_views_of_a_part_keep_their_ids_branches_and_counts():
    image = torch.zeros(3, 4, 4)

    def record(view_id, boxes=()):
        found = DetDataSample(metainfo={'view_id': view_id, 'instances': list(boxes)})
        found.gt_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
        return found

    first, third = record(0, [{}, {}]), record(2)
    plain = [{'inputs': image, 'data_samples': sample} for sample in (first, third)]
    part = Sample(0, 0, 2, {'views': plain})
    assert split_views(part) == {'view 0': (image, first), 'view 2': (image, third)}
    (views,) = to_model([part], lambda data, training: data, training=False)
    # The part has two boxes, which the pipeline cut away, but its second view never had any.
    assert [view.state for view in views.values()] == ['0 of 2 boxes left', 'good']
    names = ('unsup_teacher', 'unsup_student')
    branched = {'inputs': dict.fromkeys(names, image), 'data_samples': dict.fromkeys(names, third)}
    assert list(split_views(Sample(0, 0, None, {'views': [branched]}))) == [
        'unsup_teacher view 2', 'unsup_student view 2',
    ]  # fmt: skip


def test_what_a_classifier_learns_is_counted():
    def sample(scores, annotated):
        record = ClassifiedSample().set_gt_score(torch.tensor(scores))
        return Sample(0, 0, annotated, {'inputs': torch.zeros(3, 4, 4), 'data_samples': record})

    samples = [sample([1.0, 0.0], 1), sample([1.0, 1.0], 3), sample([0.0, 0.0], 0),
               sample([0.0, 0.0], 1)]  # fmt: skip
    seen = to_model(samples, lambda data, training: data, training=True)
    # The last tile has a fragment of a defect, which is neither.
    assert [view[''].state for view in seen] == [
        '1 class', '2 classes', 'good', '0 of 1 box left',
    ]  # fmt: skip
    text = _summary(seen, 4, 1, ('chip', 'rust'))
    assert text.startswith('4 images: 4 pictures, 1 of them good, showing: chip 2, rust 1; ')


class Concatenated:
    cumulative_sizes = [2, 100]

    def __len__(self):
        return 100


@pytest.mark.parametrize(('count', 'first'), [(2, 1), (6, 2), (100, 2), (500, 2)])
def test_parts_of_a_concatenated_set_are_all_drawn_from(count, first):
    chosen = choose_samples(Concatenated(), count, seed=0)
    assert len(set(chosen)) == len(chosen) == min(count, 100)
    assert sum(index < 2 for index in chosen) == first


def test_a_draw_depends_on_its_numbers_only():
    class Drawing:
        def __getitem__(self, index):
            return {'inputs': (random.random(), np.random.rand(), torch.rand(1).item())}

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    draws = [draw_sample(Drawing(), *numbers).item for numbers in ((3, 0, 0), (3, 1, 0), (3, 0, 1))]
    again = draw_sample(Drawing(), 3, 0, 0).item
    assert draws[0] == again and draws[0] != draws[1] != draws[2] != draws[0]
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after


def test_global_generators_are_restored_after_an_error():
    before = np.random.get_state()[1].tolist()
    with pytest.raises(KeyError), seeded(1):
        np.random.rand()
        raise KeyError
    assert np.random.get_state()[1].tolist() == before


def test_sheet_of_a_detector(make_detector):
    config = read_config(make_detector('retinanet'))
    sheet = browse(config, images=8, seed=1)
    # Two of the eight images are good; 64-pixel images are enlarged five times.
    assert '8 images: 8 pictures, 2 of them good, boxes: chip 6, rust 6' in sheet.summary
    assert 'inputs 64 x 64 pixels (w x h), 3 channels' in sheet.summary
    assert sheet.picture.shape == (2 * (320 + 30 + 6) + 6, 4 * 326 + 6, 3)
    assert (browse(config, images=8, seed=1).picture == sheet.picture).all()
    assert (browse(config, images=8, seed=2).picture != sheet.picture).any()


def test_each_repeat_is_another_draw(make_detector):
    config = read_config(make_detector('retinanet'))
    sheet = browse(config, images=2, repeats=6)
    assert '2 images x 6 draws: 12 pictures' in sheet.summary
    cells = [sheet.picture[6:326, 6 + 326 * n : 326 * (n + 1)] for n in range(6)]
    # A flip with probability one half: both outcomes are there, and nothing else.
    different = {cell.tobytes() for cell in cells}
    assert len(different) == 2


def test_branches_of_a_semi_supervised_pipeline(make_detector):
    config = read_config(make_detector('semi'))
    sheet = browse(config, images=6)
    assert 'branches sup, unsup_student, unsup_teacher' in sheet.summary
    # Three labelled images with one picture, three unlabelled ones with two.
    assert '6 images, branches' in sheet.summary and '9 pictures' in sheet.summary
    # One row for sup, teacher and student each, three images wide.
    height, width = sheet.picture.shape[:2]
    assert (width - 6) % 3 == 0 and (height - 6) % 3 == 0
    assert 'no labels' not in sheet.summary
    val = browse(config, 'val', images=4)
    assert 'branches' not in val.summary and '4 pictures' in val.summary


def test_batch_augments_and_boxes_move_together(make_detector):
    extra = """
model['data_preprocessor'] = dict(
    mean=[0., 0., 0.], std=[1., 1., 1.], bgr_to_rgb=False,
    batch_augments=[dict(
        type='BatchSyncRandomResize', random_size_range=(96, 160), size_divisor=32, interval=10)])
"""
    config = read_config(make_detector('retinanet', extra))
    sheet = browse(config, images=8)
    sizes = re.search(r'inputs (\d+) x \d+ to (\d+) x \d+ pixels', sheet.summary)
    # Four batches of two images, each of a size of its own.
    assert sizes and 96 <= int(sizes[1]) < int(sizes[2]) <= 160
    assert (browse(config, images=8).picture == sheet.picture).all()
    # Validation has no batch augmentation.
    assert 'inputs 64 x 64 pixels' in browse(config, 'val', images=8).summary


def test_mosaics_and_what_wraps_a_data_set(make_detector):
    extra = """
inner = dict(
    type='mmdefect.DefectDataset', metainfo=dict(classes=classes),
    reader=dict(type='mmdefect.COCOReader', ann_file=data + '/train.json'),
    pipeline=load + boxes)
train_dataloader['dataset'] = dict(
    _delete_=True, type='MultiImageMixDataset', dataset=inner,
    pipeline=[
        dict(type='Mosaic', img_scale=(64, 64), pad_val=114.),
        dict(type='mmdefect.PackInputs', meta_keys=('img_shape',))])
"""
    config = read_config(make_detector('retinanet', extra))
    sheet = browse(config, images=3)
    assert '3 pictures' in sheet.summary and 'inputs 128 x 128 pixels' in sheet.summary


def test_ignored_boxes_and_boxes_not_loaded(make_detector):
    extra = """
val_dataloader['dataset']['pipeline'] = load + resize + pack
"""
    config = read_config(make_detector('retinanet', extra))
    assert '0 of them good, boxes: chip 0, rust 0' in browse(config, 'val').summary


def test_bad_requests(make_detector):
    config = read_config(make_detector('retinanet'))
    with pytest.raises(InputError, match='images must be 1 or more, got 0'):
        browse(config, images=0)
    with pytest.raises(InputError, match='more than the 600 pictures'):
        browse(config, images=300, repeats=3)
    config.pop('test_dataloader')
    with pytest.raises(InputError, match='no test_dataloader'):
        browse(config, 'test')


def test_deep_grey_images_are_bright(make_detector, write_coco, tmp_path):
    write_coco(tmp_path)
    for path in (tmp_path / 'images').glob('*.png'):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 16
        cv2.imwrite(str(path), grey)
    extra = f"""
load = [dict(type='mmdefect.LoadImage', bit_depth=12, channels=1)]
train_dataloader['dataset']['pipeline'] = load + boxes + resize + pack
train_dataloader['dataset']['reader'] = dict(ann_file='{tmp_path.as_posix()}/train.json')
model['data_preprocessor'] = dict(mean=[117.], std=[57.], bgr_to_rgb=False)
"""
    sheet = browse(read_config(make_detector('retinanet', extra)), images=8)
    assert '1 channel' in sheet.summary
    # The images are noise of 90 to 120.
    assert 90 < np.median(sheet.picture[6:326, 6:326]) < 120
