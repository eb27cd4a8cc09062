"""Bad input through the code of tools/train.py and tools/test.py: one line, exit code 2."""

from __future__ import annotations

import copy
import json
import os
import sys

import pytest
import torch

import mmdefect  # noqa: F401
from mmdefect.engine import launch
from mmdefect.errors import InputError


def _unchanged(text, **_):
    return text, True


@pytest.fixture
def fails(monkeypatch, capfd, tmp_path):
    """``fails(command, *arguments)``: run it, return its one line on standard error."""

    def run(command, *arguments):
        name = f'tools/{command.__name__}.py'
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        # Pretty printing of the config takes most of the time of a run that fails at once.
        monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', _unchanged)
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            launch.run(command)
        error = capfd.readouterr().err
        assert caught.value.code == 2
        lines = [line for line in error.splitlines() if line]
        assert len(lines) == 1, error
        assert lines[0].startswith('mmdefect: ')
        assert 'Traceback' not in error
        left = [path.name for path in tmp_path.rglob('*') if path.is_file()]
        assert not [
            name
            for name in left
            if name.endswith(('.pth', '.tmp'))
            and not name.startswith('given')
            or name.startswith('.')
            or name in ('evaluation.json', 'last_checkpoint')
        ]
        return lines[0].removeprefix('mmdefect: ')

    return run


@pytest.fixture
def data(tmp_path, write_coco):
    """A folder with a tiny data set that a test may spoil, and the content of its JSON."""
    folder = tmp_path / 'data'
    content = write_coco(folder)

    class Data:
        root = folder
        json = folder / 'train.json'

        @staticmethod
        def write(text, split='train'):
            (folder / f'{split}.json').write_text(
                text if isinstance(text, str) else json.dumps(text)
            )

    Data.content = content
    return Data


def test_missing_config(fails, tmp_path):
    work_dir = tmp_path / 'work'
    line = fails(launch.train, tmp_path / 'absent.py', '--work-dir', work_dir)
    assert 'absent.py' in line and 'existing config' in line
    assert not work_dir.exists()


@pytest.mark.parametrize(
    'text',
    [
        'model = dict(\n', "_base_ = ['./absent.py']\n", 'a = 1 / 0\n', 'import absent_module\n',
        "_base_ = ['mmdet::absent/absent.py']\n",
    ],
)  # fmt: skip
def test_unreadable_config(fails, tmp_path, text):
    config = tmp_path / 'spoilt.py'
    config.write_text(text)
    line = fails(launch.train, config, '--work-dir', tmp_path / 'work')
    assert 'spoilt.py' in line
    assert not (tmp_path / 'work').exists()


def test_config_without_a_model(fails, tmp_path):
    config = tmp_path / 'empty.py'
    config.write_text('a = 1\n')
    assert "empty.py: no key 'model'" in fails(launch.train, config)


@pytest.mark.parametrize('flag', [['--resume'], ['--cfg-options']])
def test_missing_checkpoint_in_training(fails, tmp_path, tiny_config, flag):
    absent = tmp_path / 'absent.pth'
    value = str(absent) if flag == ['--resume'] else f'load_from={absent}'
    line = fails(launch.train, tiny_config, '--work-dir', tmp_path / 'work', *flag, value)
    assert 'absent.pth: no such checkpoint file' in line
    assert not (tmp_path / 'work').exists()


def test_missing_checkpoint_in_test(fails, tmp_path, tiny_config):
    line = fails(launch.test, tiny_config, tmp_path / 'absent.pth', '--work-dir', tmp_path / 'w')
    assert 'absent.pth: no such checkpoint file' in line
    assert not (tmp_path / 'w').exists()


def test_out_must_be_a_pickle(fails, tmp_path, tiny_trained):
    config, checkpoint = tiny_trained.config, tiny_trained.checkpoint
    line = fails(launch.test, config, checkpoint, '--out', 'a.json', '--work-dir', tmp_path / 'w')
    assert '--out must end in .jsonl, .pkl or .pickle, got a.json' in line
    assert not (tmp_path / 'w').exists()


@pytest.mark.parametrize('command', [launch.train, launch.test])
def test_checkpoint_of_another_model(fails, tmp_path, make_config, tiny_trained, command):
    config = make_config(tmp_path, 'rtmdet')
    checkpoint = tiny_trained.checkpoint
    arguments = (
        [checkpoint] if command is launch.test else ['--cfg-options', f'load_from={checkpoint}']
    )
    line = fails(command, config, '--work-dir', tmp_path / 'work', *arguments)
    assert 'epoch_1.pth: checkpoint of another model' in line


def test_resume_from_another_model(tmp_path, make_config, tiny_trained):
    work_dir = tmp_path / 'work'
    work_dir.mkdir()
    given = work_dir / 'given.pth'
    given.write_bytes(tiny_trained.checkpoint.read_bytes())
    (work_dir / 'last_checkpoint').write_text(str(given))
    config = make_config(tmp_path, 'rtmdet')
    with pytest.raises(InputError, match=r'given\.pth: checkpoint of another'):
        launch.train([str(config), '--work-dir', str(work_dir), '--resume'])


def test_truncated_checkpoint(fails, tmp_path, tiny_trained):
    given = tmp_path / 'given.pth'
    given.write_bytes(tiny_trained.checkpoint.read_bytes()[:5000])
    line = fails(launch.test, tiny_trained.config, given, '--work-dir', tmp_path / 'work')
    assert 'given.pth: not a readable checkpoint' in line


def test_checkpoint_that_is_no_checkpoint(fails, tmp_path, tiny_trained):
    given = tmp_path / 'given.pth'
    torch.save({'epoch': 3}, given)
    line = fails(launch.test, tiny_trained.config, given, '--work-dir', tmp_path / 'work')
    assert 'given.pth: holds no weights' in line


class Payload:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize('how', ['test', 'resume', 'load_from'])
def test_payload_does_not_run(fails, tmp_path, tiny_trained, how):
    given, made = tmp_path / 'given.pth', tmp_path / 'made'
    torch.save({'state_dict': {}, 'meta': Payload(made)}, given)
    config, work = tiny_trained.config, ['--work-dir', tmp_path / 'work']
    if how == 'test':
        line = fails(launch.test, config, given, *work)
    elif how == 'resume':
        line = fails(launch.train, config, '--resume', given, *work)
    else:
        line = fails(launch.train, config, '--cfg-options', f'load_from={given}', *work)
    assert 'given.pth: refused' in line
    assert not made.exists()


def test_work_dir_is_a_file(fails, tmp_path, tiny_config):
    (tmp_path / 'file').write_text('')
    for folder in (tmp_path / 'file', tmp_path / 'file' / 'below'):
        assert 'give another --work-dir' in fails(launch.train, tiny_config, '--work-dir', folder)


def spoil_box(*bbox):
    def spoil(content):
        content['annotations'][3]['bbox'] = list(bbox)

    return spoil


def duplicate_image_id(content):
    content['images'][1]['id'] = content['images'][0]['id']


def rename_category(content):
    content['categories'][1]['name'] = 'rst'


def add_category(content):
    content['categories'].append({'id': 7, 'name': 'dent'})
    content['annotations'][0]['category_id'] = 7


@pytest.mark.parametrize(
    ('spoil', 'parts'),
    [
        (spoil_box(float('nan'), 2, 5, 5), ['train.json', 'NaN is no JSON number']),
        (spoil_box(1e39, 2, 5, 5), ['001.png, annotation 3', 'not finite']),
        (spoil_box(3, 2, -5, 5), ['001.png, annotation 3', 'width -5']),
        (spoil_box(3, 2, 5, 0), ['001.png, annotation 3', 'height 0']),
        (spoil_box(300, 2, 5, 5), ['001.png, annotation 3', 'outside the image']),
        (duplicate_image_id, ['train.json', 'image id 0', '2 times']),
        (rename_category, ["class 'rust' of the config is not declared", "did you mean 'rst'?"]),
        (add_category, ["class 'dent'", '000.png is not in the config']),
        (lambda content: content.pop('images'), ['train.json', '"images"']),
        (lambda content: content['images'].clear(), ['train.json']),
    ],
)
def test_bad_annotations(fails, tmp_path, data, make_config, spoil, parts):
    content = copy.deepcopy(data.content)
    spoil(content)
    data.write(content)
    line = fails(launch.train, make_config(tmp_path, data=data.root), '--work-dir', tmp_path / 'w')
    for part in parts:
        assert part in line


@pytest.mark.parametrize('text', ['', '{"images": [', '[1, 2]', '"text"', '{}'])
def test_json_that_is_not_coco(fails, tmp_path, data, make_config, text):
    data.write(text)
    line = fails(launch.train, make_config(tmp_path, data=data.root), '--work-dir', tmp_path / 'w')
    assert 'train.json' in line


@pytest.mark.parametrize('split', ['train', 'val'])
def test_missing_annotation_file(fails, tmp_path, data, make_config, split):
    (data.root / f'{split}.json').unlink()
    line = fails(launch.train, make_config(tmp_path, data=data.root), '--work-dir', tmp_path / 'w')
    assert f'{split}.json' in line


def test_missing_image(fails, tmp_path, data, make_config):
    (data.root / 'images' / '004.png').unlink()
    line = fails(launch.train, make_config(tmp_path, data=data.root), '--work-dir', tmp_path / 'w')
    assert '004.png' in line


@pytest.mark.parametrize('workers', [0, 1])
def test_truncated_jpeg(fails, tmp_path, data, make_config, workers):
    from PIL import Image

    content = copy.deepcopy(data.content)
    for image in content['images']:
        source = data.root / image['file_name']
        target = source.with_suffix('.jpg')
        Image.open(source).save(target, quality=95)
        image['file_name'] = f'images/{target.name}'
    spoilt = data.root / 'images' / '003.jpg'
    spoilt.write_bytes(spoilt.read_bytes()[: spoilt.stat().st_size // 2])
    data.write(content)
    config = make_config(
        tmp_path, data=data.root, extra=f'train_dataloader.update(num_workers={workers})'
    )
    line = fails(launch.train, config, '--work-dir', tmp_path / 'work')
    assert '003.jpg' in line and 'Caught' not in line and 'worker' not in line


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ('val_evaluator.max_det=5', "DefectMetric: unknown key 'max_det'; did you mean 'max_dets'"),
        ('train_dataloader.dataset.check_image=none', "did you mean 'check_images'"),
        ('train_dataloader.dataset.reader.anno_file=a', "did you mean 'ann_file'"),
        ('train_dataloader.dataset.pipeline.0.bit_dept=12', "did you mean 'bit_depth'"),
        ('train_dataloader.dataset.pipeline.4.meta_key=12', "did you mean 'meta_keys'"),
        ('optim_wrapper.dtype=float8', 'dtype must be one of bfloat16, float16'),
        ('optim_wrapper.dtype=float16', 'a CPU has no float16'),
    ],
)
def test_bad_values_of_our_components(fails, tmp_path, tiny_config, options, message):
    if 'float16' in options and torch.cuda.is_available():
        pytest.skip('a GPU has float16')
    amp = ['--amp'] if options.startswith('optim') else []
    line = fails(
        launch.train, tiny_config, '--work-dir', tmp_path / 'w', *amp, '--cfg-options', options
    )
    assert message in line
    assert not line.startswith('class `')


def test_unknown_key_of_the_voc_reader(fails, tmp_path, make_config):
    extra = (
        "\ntrain_dataloader['dataset']['reader'] = dict(\n"
        "    _delete_=True, type='mmdefect.VOCReader', root='.', one_base=True)\n"
    )
    line = fails(launch.train, make_config(tmp_path, extra=extra), '--work-dir', tmp_path / 'w')
    assert "VOCReader: unknown key 'one_base'; did you mean 'one_based'" in line


def test_amp_with_a_foreign_wrapper(fails, tmp_path, tiny_config):
    line = fails(
        launch.train, tiny_config, '--work-dir', tmp_path / 'w', '--amp',
        '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper',
    )  # fmt: skip
    assert '--amp needs optim_wrapper.type OptimWrapper, got ApexOptimWrapper' in line
    assert not (tmp_path / 'w').exists()
