"""``mmdefect audit``, as typed."""

from __future__ import annotations

import json
import sys

import pytest
from PIL import Image

from mmdefect.cli import main


@pytest.fixture
def audit(monkeypatch, capsys, tmp_path):
    """``audit(*arguments)`` -> exit code, standard output, standard error; in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('COLUMNS', '200')

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['mmdefect', 'audit', *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return stopped.value.code or 0, said.out, said.err

    return run


@pytest.fixture
def data(tmp_path, write_coco):
    """``train.json`` and ``val.json`` of different images, without any problem."""
    folder = tmp_path / 'data'
    content = write_coco(folder)
    for split, ids in (('train', range(4)), ('val', range(4, 8))):
        part = dict(
            content,
            images=[image for image in content['images'] if image['id'] in ids],
            annotations=[one for one in content['annotations'] if one['image_id'] in ids],
        )
        (folder / f'{split}.json').write_text(json.dumps(part))
    return folder


def with_a_problem(data):
    path = data / 'val.json'
    content = json.loads(path.read_text())
    content['annotations'].append({**content['annotations'][0], 'id': 99})
    path.write_text(json.dumps(content))


def test_tables_and_files(audit, data, tmp_path):
    with_a_problem(data)
    code, out, _ = audit(data)
    assert code == 1
    assert 'problem 1 Same box twice (same-box-twice)' in out
    assert 'annotations 6, 99: two boxes of chip with IoU 1.000' in out
    assert 'image checks:' in out and 'images/s' in out
    assert 'look at work_dirs/audit/audit.html' in out
    page = tmp_path / 'work_dirs' / 'audit' / 'audit.html'
    content = json.loads(page.with_suffix('.json').read_text())
    assert content['problems'] == 1 and page.read_text().startswith('<!doctype html>')
    assert sorted(path.name for path in data.iterdir()) == ['images', 'train.json', 'val.json']


def test_no_problem_exits_0(audit, data):
    code, out, _ = audit(data, '--no-images', '--out', 'x/a.html')
    assert code == 0
    assert out.splitlines()[-1].startswith('0 problems, 2 notes; look at x/a.html')
    assert 'image checks' not in out


def test_allowed_kinds_give_no_exit_code(audit, data):
    with_a_problem(data)
    assert audit(data, '--json', '--allow', 'cut-box')[0] == 1
    code, out, _ = audit(data, '--json', '--allow', 'cut-box', '--allow', 'same-box-twice')
    assert code == 0 and json.loads(out)['problems'] == 1


def test_json_prints_one_object_and_writes_nothing(audit, data, tmp_path):
    with_a_problem(data)
    code, out, err = audit(data, '--json')
    content = json.loads(out)
    assert code == 1 and content['problems'] == 1 and err == ''
    assert [split['name'] for split in content['statistics']['splits']] == ['train', 'val']
    assert not (tmp_path / 'work_dirs').exists()


def test_several_sources_and_lists(audit, data, tmp_path):
    out = audit(data / 'train.json', data / 'val.json', '--json')[1]
    assert [split['images'] for split in json.loads(out)['statistics']['splits']] == [4, 4]
    (tmp_path / 'a.txt').write_text('000\n001\n')
    (tmp_path / 'b.txt').write_text('001\n002\n')
    lists = ('--split', 'a=a.txt', '--split', 'b=b.txt')
    code, out, _ = audit(data / 'train.json', *lists, '--json')
    content = json.loads(out)
    assert code == 1 and content['kinds']['leak']['count'] == 1
    assert content['findings'][0]['what'] == 'the same file stands in a and b'
    out = audit(data / 'train.json', '--list', 'a.txt', '--json')[1]
    assert [split['images'] for split in json.loads(out)['statistics']['splits']] == [2]


def test_config(audit, data, make_config, tmp_path):
    config = make_config(tmp_path, data=data, classes=('chip', 'dent'))
    code, out, _ = audit(config, '--no-images', '--json')
    content = json.loads(out)
    assert code == 1 and set(content['kinds']) >= {'unknown-class', 'empty-class'}
    assert [split['name'] for split in content['statistics']['splits']] == ['train', 'val']
    assert audit(config, '--no-images', '--json', '--classes', 'chip,rust')[0] == 0


def test_model(audit, data, tiny_trained):
    code, out, _ = audit(data, '--model', tiny_trained.work_dir, '--json')
    content = json.loads(out)
    assert code == 0
    assert content['model']['checkpoint'].startswith(str(tiny_trained.work_dir))
    assert list(content['model']['confident']) == ['chip', 'rust']
    code, out, _ = audit(data, '--model', tiny_trained.checkpoint)
    assert code == 0 and f'model: {tiny_trained.checkpoint}; confident from score chip' in out


def test_yolo_without_class_list_and_with_good_images(audit, tmp_path):
    folder = tmp_path / 'yolo'
    folder.mkdir()
    for name in 'ab':
        Image.effect_noise((64, 48), 80).save(folder / f'{name}.png')
    (folder / 'a.txt').write_text('1 .5 .5 .5 .5\n')
    code, out, err = audit(folder)
    assert code == 2 and 'or give --classes NAME,...' in err
    code, out, _ = audit(folder, '--classes', 'chip,rust', '--json')
    assert code == 1 and "set unlabelled='good'" in json.loads(out)['findings'][0]['what']
    code, out, _ = audit(folder, '--classes', 'chip,rust', '--unlabelled', 'good', '--json')
    assert code == 0
    (row,) = json.loads(out)['statistics']['splits']
    assert (row['images'], row['good'], row['boxes']) == (2, 1, 1)


def test_images_elsewhere(audit, data, tmp_path):
    (tmp_path / 'labels').mkdir()
    (data / 'train.json').rename(tmp_path / 'labels' / 'train.json')
    assert audit('labels', '--image-root', 'data', '--json')[0] == 0
    assert audit('labels', '--json')[0] == 1


def test_masks_of_values(audit, tmp_path):
    (tmp_path / 'set').mkdir()
    Image.effect_noise((64, 48), 80).save(tmp_path / 'set' / 'a.png')
    mask = Image.new('L', (64, 48))
    mask.paste(50, (10, 10, 30, 20))
    mask.paste(100, (40, 10, 60, 20))
    mask.save(tmp_path / 'set' / 'a_mask.png')
    code, out, _ = audit('set', '--classes', '50=rust,100=chip', '--json')
    assert code == 0 and json.loads(out)['classes'] == ['rust', 'chip']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none'], 'none: data set file or folder is missing'),
        (['data', '--format', 'cocoa'], "unknown annotation format 'cocoa'; did you mean 'coco'?"),
        (['data', '--list', 'none.txt'], 'none.txt: list file is missing'),
        (['data', '--split', 'train'], "--split: 'train' must be NAME=LIST"),
        (['data', '--split', 'a=x', '--split', 'a=y'], "--split: split 'a' stands twice"),
        (['data', '--split', 'a=x', '--list', 'y'], '--list and --split: give one of them'),
        (['data', 'data/train.json', '--list', 'x'], '--split and --list go with one folder'),
        (['data', '--classes', 'chip,chip'], "--classes: 'chip' must be a name that stands once"),
        (['data', '--zero-based'], "COCOReader: unknown key 'one_based'"),
        (['data', '--model', 'x', '--no-images'], '--model needs the images'),
        (['data', '--model', 'none'], 'none: no such work dir or checkpoint'),
        (['data', '--allow', 'cut-bax'], "--allow: no kind 'cut-bax'; did you mean 'cut-box'?"),
        (['data', '--out', 'a.json'], '--out a.json: must end in .html or .htm; write a.html'),
        (['data', '--out', 'data'], 'data: is a folder'),
        (['data', '--out', 'data/val.html'], 'val.json: holds something else already'),
        (['none.py'], 'none.py: no such file'),
        (['bad.py'], 'bad.py: not a readable config (ZeroDivisionError'),
        (['empty.py'], 'empty.py: no data set in'),
        (['empty.py', '--zero-based'], '--zero-based does not go with a config'),
        (['empty.py', '--unlabelled', 'good'], '--unlabelled does not go with a config'),
        (['empty.py', 'data'], 'a config names all its splits'),
        (['broken.json'], 'broken.json: '),
    ],
)
def test_bad_input(audit, data, tmp_path, arguments, message):
    (tmp_path / 'bad.py').write_text('1 / 0')
    (tmp_path / 'empty.py').write_text('a = 1')
    (tmp_path / 'broken.json').write_text('{"images": [')
    code, out, err = audit(*arguments)
    assert code == 2 and out == ''
    assert err.startswith('mmdefect: ') and message in err and err.count('\n') == 1
