"""``mmdefect anchors``, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import TASK_UTILS
from typer.testing import CliRunner

from mmdefect.cli import app
from mmdefect.engine.anchors.training_boxes import read_training_boxes
from mmdefect.engine.config_file import read_config
from mmdefect.errors import InputError

TALL = 'model.bbox_head.anchor_generator.ratios=[4.0,8.0]'


def run(*arguments):
    done = CliRunner().invoke(app, ['anchors', *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def with_boxes(boxes, tiny_coco, make_config, tmp_path):
    """A config whose training data have these boxes, all on the first image."""
    content = json.loads((tiny_coco / 'train.json').read_text())
    content['annotations'] = [
        {'id': number, 'image_id': 0, 'category_id': 0, 'bbox': box}
        for number, box in enumerate(boxes)
    ]
    data = tmp_path / 'data'
    data.mkdir()
    (data / 'images').symlink_to(tiny_coco / 'images')
    for split in ('train', 'val'):
        (data / f'{split}.json').write_text(json.dumps(content))
    return make_config(tmp_path, data=data)


def test_report_file_and_figure(tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(tiny_config)
    assert done.exit_code == 0, done.output
    assert f'{tiny_config}: model.bbox_head.anchor_generator (AnchorGenerator), 12 boxes on 8' in (
        done.output
    )
    assert 'now: real' in done.output and 'mean best IoU +' in done.output
    # The assigner's threshold is .5 here, and stands there once.
    assert '   IoU ┃ >= 0.5 ┃ >= 0.7 ┃ reached ┃' in done.output
    assert 'note: 12 boxes to fit to: the proposal suits them and says little' in done.output
    fragment = done.output[done.output.index('model = dict(') : done.output.index('written:')]
    written = {}
    exec(fragment, written)
    anchors = written['model']['bbox_head']['anchor_generator']
    assert anchors.pop('_delete_') is True
    folder = tmp_path / 'work_dirs' / tiny_config.stem
    assert sorted(path.name for path in folder.iterdir()) == ['anchors.json', 'anchors.png']
    by_hand = TASK_UTILS.build(anchors)
    loaded = TASK_UTILS.build(
        dict(type='mmdefect.DefectAnchorGenerator', anchor_file=str(folder / 'anchors.json'))
    )
    for ours, theirs in zip(by_hand.base_anchors, loaded.base_anchors, strict=True):
        assert (ours == theirs).all()


def test_better_anchors_are_kept(tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    many = 'model.bbox_head.anchor_generator.ratios=[0.5,0.6,0.7,0.85,1.0,1.2,1.4,1.7,2.0]'
    arguments = [tiny_config, '--budget', 1, '--cfg-options', many]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert 'your anchors are better; keep them' in done.output
    assert 'model = dict(' not in done.output and 'written' not in done.output
    assert not (tmp_path / 'work_dirs').exists()
    report = json.loads(run(*arguments, '--json').stdout)
    assert report['worthwhile'] is False and report['anchors']['ratios']
    # Who asks for a file gets one.
    run(*arguments[:3], '--out', tmp_path / 'few.json', *arguments[3:])
    assert (tmp_path / 'few.json').is_file()


def test_a_missing_folder_is_named_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Path(__file__).parents[2] / 'configs/dense_retail/shared_tower_r18_fpn_shelf.py'
    monkeypatch.delenv('MMDEFECT_SHELF', raising=False)
    with pytest.raises(InputError, match=r'; MMDEFECT_SHELF names .* is not set, so it is data/sh'):
        run(config)
    monkeypatch.setenv('MMDEFECT_SHELF', str(tmp_path / 'none'))
    with pytest.raises(InputError, match='MMDEFECT_SHELF names this folder and is set to .*none'):
        run(config)


def test_json(tiny_config, tmp_path):
    done = run(tiny_config, '--json', '--budget', 2, '--cfg-options', TALL)
    report = json.loads(done.stdout)
    assert report['boxes'] == 12 and report['images'] == 8 and report['input_size'] == [64, 64]
    assert len(report['anchors']['ratios']) * len(report['anchors']['scales']) <= 2
    assert report['proposed']['total']['grid']['mean'] > report['now']['total']['grid']['mean']
    assert sum(item['boxes'] for item in report['statistics'][1:]) == 12
    boxes = read_training_boxes(read_config(tiny_config), 'c.py')
    assert report['now']['unreached'] == len(report['unreached']) > 0
    worst = report['unreached'][0]
    assert worst['class'] in boxes.classes and worst['file'].endswith('.png')
    assert worst['iou'] == min(item['iou'] for item in report['unreached'])
    assert json.loads(run(tiny_config, '--json', '--budget', 2, '--cfg-options', TALL).stdout) == (
        report
    )


def test_transposed_ratios_are_warned_of(tmp_path, tiny_config, tiny_coco, make_config):
    # Boxes of w/h 3: ratios of 1/3 in the order of the stock generator, but 3 was written.
    content = json.loads((tiny_coco / 'train.json').read_text())
    for entry in content['annotations']:
        entry['bbox'] = [2, 3, 45, 15]
    data = tmp_path / 'data'
    data.mkdir()
    (data / 'images').symlink_to(tiny_coco / 'images')
    for split in ('train', 'val'):
        (data / f'{split}.json').write_text(json.dumps(content))
    config = make_config(tmp_path, data=data)
    out = tmp_path / 'anchors.json'
    key = 'model.bbox_head.anchor_generator.ratios=[3.0]'
    done = run(config, '--out', out, '--cfg-options', key)
    (line,) = [line for line in done.output.splitlines() if line.startswith('warning:')]
    assert 'the transposed ratios would cover the boxes better' in line
    assert 'AnchorGenerator reads ratios as height / width: write ratios=[0.333]' in line
    assert json.loads(out.read_text())['ratio_order'] == 'w/h'
    right = key.replace('3.0', '0.333')
    assert 'warning:' not in run(config, '--out', out, '--cfg-options', right).output
    # Ours, told the wrong order.
    ours = make_config(
        tmp_path,
        data=data,
        extra="""
model['bbox_head']['anchor_generator'] = dict(
    _delete_=True, type='mmdefect.DefectAnchorGenerator', strides=[8, 16, 32, 64, 128],
    ratios=[3.0], ratio_order='h/w', scales=[4])
""",
    )
    (warning,) = json.loads(run(ours, '--json').stdout)['warnings']
    assert warning.endswith('say the other ratio_order, or exchange width and height in the ratios')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.py'], 'none.py: no such file'),
        (['CONFIG', 'a=1'], 'write --cfg-options before it'),
        (['CONFIG', '--budget', 0], 'budget must be 1 to 100 anchors per place, got 0'),
        (['CONFIG', '--out', 'anchors.txt'], 'anchors.txt: must end in .json; write anchors.json'),
        (['CONFIG', '--out', 'LABELS'], 'labels.json: holds something else already'),
        (['CONFIG', '--head', 'model.rpn_head'], 'model.rpn_head has no anchor generator'),
        (['POINTS'], r'RTMDetSepBNHead, which has no anchors to fit but predicts from points'),
        (['CONFIG', '--cfg-options', 'train_dataloader=None'], 'no training data'),
        (
            ['CONFIG', '--cfg-options', 'train_dataloader.dataset.reader.ann_file=none.json'],
            'none.json',
        ),
    ],
)
def test_bad_input(arguments, message, tiny_config, make_config, tmp_path):
    files = {'CONFIG': tiny_config, 'POINTS': make_config(tmp_path, kind='rtmdet')}
    files['LABELS'] = tmp_path / 'labels.json'
    files['LABELS'].write_text('{"images": []}')
    with pytest.raises(InputError, match=message):
        run(*(files.get(item, item) for item in arguments))


def test_files_of_others_are_kept(tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'work_dirs' / tiny_config.stem
    folder.mkdir(parents=True)
    for target, options in (
        (folder / 'anchors.json', []),
        (tmp_path / 'a.json', ['--out', 'a.json']),
    ):
        figure = target.with_suffix('.png')
        for other in (target, figure):
            other.write_text('{}')
            with pytest.raises(InputError, match=f'{other.name}: holds something else already'):
                run(tiny_config, *options)
            assert other.read_text() == '{}'
            other.unlink()
    # Its own files are replaced, the figure too.
    run(tiny_config, *options)
    figure.write_text('old')
    run(tiny_config, *options)
    assert figure.read_bytes() != b'old'


def test_more_anchors_than_are_fitted(tiny_config):
    ratios = f'ratios={[0.1 + step / 50 for step in range(40)]}'.replace(' ', '')
    option = f'model.bbox_head.anchor_generator.{ratios}'
    report = json.loads(run(tiny_config, '--json', '--cfg-options', option).stdout)
    assert '120 anchors per place now; 100 are fitted at most' in report['notes']


def test_a_head_in_a_list_is_set_by_hand(make_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = make_config(
        tmp_path,
        extra="""
wide = dict(type='AnchorGenerator', strides=[8, 16], ratios=[0.2], scales=[4])
model['bbox_head'] = dict(_delete_=True, type='RPNHead')
model['rpn_head'] = dict(stages=[dict(anchor_generator=wide)])
""",
    )
    done = run(config)
    assert 'model = dict(' not in done.output and 'written: ' in done.output
    assert 'model.rpn_head.stages.0.anchor_generator lies in a list' in done.output
    assert json.loads(run(config, '--json').stdout)['fragment'] is None


@pytest.mark.parametrize(
    ('boxes', 'note'),
    [
        ([[3, 3, 9, 12]], '1 box to fit to: the proposal suits it and says little of others'),
        ([[3, 3, 9, 12], [20.3, 3.1, 9, 12]], 'all 2 boxes have one size, 9 x 12 pixels'),
    ],
)
def test_boxes_that_say_little(boxes, note, tiny_coco, make_config, tmp_path):
    report = json.loads(run(with_boxes(boxes, tiny_coco, make_config, tmp_path), '--json').stdout)
    (said,) = report['notes']
    assert note in said and report['boxes'] == len(boxes)


@pytest.mark.parametrize(
    ('boxes', 'message'),
    [
        ([], 'no box in the training data'),
        ([[3, 3, 0, 9]], 'width'),
        ([[3, 3, float('nan'), 9]], 'NaN|nan|finite'),
    ],
)
def test_bad_annotations(boxes, message, tiny_coco, make_config, tmp_path):
    with pytest.raises(InputError, match=message):
        run(with_boxes(boxes, tiny_coco, make_config, tmp_path), '--json')


def test_shape_coverage_is_that_of_the_real_generator(tiny_config):
    report = json.loads(run(tiny_config, '--json').stdout)
    config = read_config(tiny_config)
    generator = TASK_UTILS.build(config.model.bbox_head.anchor_generator)
    sizes = np.concatenate([one.numpy() for one in generator.base_anchors])
    extents = read_training_boxes(config, 'c.py').placed.extents
    shared = np.minimum(extents[:, None], sizes[:, 2:] - sizes[:, :2]).prod(axis=2)
    areas = (sizes[:, 2:] - sizes[:, :2]).prod(axis=1)
    iou = (shared / (extents.prod(axis=1)[:, None] + areas - shared)).max(axis=1)
    assert report['now']['total']['shape']['mean'] == pytest.approx(iou.mean(), abs=1e-5)
