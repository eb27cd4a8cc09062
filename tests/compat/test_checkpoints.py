from __future__ import annotations

import builtins
import io
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import checkpoint as upstream

from mmdefect.compat.checkpoints import load, load_url
from mmdefect.errors import InputError


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class State:
    """Pickles as an instance of a class with a forged state."""

    def __init__(self, cls, state):
        self.content = cls, state

    def __reduce__(self):
        cls, state = self.content
        return cls, (), state


def payloads(mark: Path) -> dict:
    return {
        'os.system': Call(os.system, f'echo > "{mark}"'),
        'exec': Call(exec, f'open({str(mark)!r}, "w").close()'),
        'eval': Call(eval, f'open({str(mark)!r}, "w")'),
        'open': Call(open, str(mark), 'w'),
        'pathlib': Call(Path.touch, mark),
        'subprocess': Call(subprocess.call, [sys.executable, '-c', f'open({str(mark)!r}, "w")']),
        'free getattr': Call(getattr, HistoryBuffer, '__init__'),
        'getattr of builtins': Call(getattr, builtins.dict, 'get'),
        'state': State(HistoryBuffer, {'_log_history': Call(open, str(mark), 'w')}),
        'torch.load': Call(torch.load, str(mark)),
    }


@pytest.fixture
def mark(tmp_path):
    return tmp_path / 'payload-ran'


def save(content, path, zipped=True):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize('kind', sorted(payloads(Path())))
def test_payloads_are_refused(kind, zipped, mark, tmp_path):
    payload = payloads(mark)[kind]
    file = save({'state_dict': {}, 'meta': payload}, tmp_path / 'bad.pth', zipped)
    model = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match=r'bad\.pth: refused, .*could run code'):
        load(file)
    with pytest.raises(InputError, match='could run code'):
        load(file, weights_only=False, pickle_module=pickle)
    with pytest.raises(InputError, match=r'bad\.pth: refused'):
        upstream.load_checkpoint(model, str(file))
    with pytest.raises(InputError, match=r'bad\.pth: refused'):
        upstream.CheckpointLoader.load_checkpoint(str(file), 'cpu')
    with pytest.raises(InputError, match=r'bad\.pth: refused'):
        upstream.load_from_http(file.as_uri(), 'cpu', model_dir=str(tmp_path / 'cache'))
    with pytest.raises(InputError, match=r'bad\.pth: refused'):
        upstream.load_url(file.as_uri(), str(tmp_path / 'cache'), 'cpu')
    assert not mark.exists()


def test_payload_alone_and_in_a_bare_pickle(mark, tmp_path):
    file = save(Call(open, str(mark), 'w'), tmp_path / 'a.pth')
    with pytest.raises(InputError, match='could run code'):
        load(file)
    for protocol in (0, 2, 4):
        file.write_bytes(pickle.dumps(Call(open, str(mark), 'w'), protocol))
        with pytest.raises(InputError, match=r'a\.pth: (refused|not a readable)'):
            load(file)
    assert not mark.exists()


def test_the_free_getattr_of_an_outer_context_does_not_count():
    stream = io.BytesIO()
    torch.save(Call(getattr, HistoryBuffer, '__init__'), stream)
    with torch.serialization.safe_globals([getattr, HistoryBuffer]):
        for _ in range(3):
            stream.seek(0)
            with pytest.raises(InputError):
                load(stream)
        assert getattr in torch.serialization.get_safe_globals()
    assert HistoryBuffer not in torch.serialization.get_safe_globals()


def array_pickle(code, copy=True, flags=0, data=None):
    """An array with a hand-made dtype: NumPy believes flags that promise object pointers."""

    class Dtype:
        def __reduce__(self):
            return np.dtype, (code, False, copy), (3, '<', None, None, None, -1, -1, flags)

    class Array:
        def __reduce__(self):
            content = np.arange(2.0).tobytes() if data is None else data
            return _RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (2,), Dtype(), False, content)

    stream = io.BytesIO()
    torch.save({'array': Array()}, stream)
    stream.seek(0)
    return stream


_RECONSTRUCT = np.zeros(0).__reduce__()[0]


@pytest.mark.parametrize('copy', [True, False])
def test_a_forged_dtype_changes_nothing(copy):
    array = load(array_pickle('f8', copy, flags=0x3F))['array']
    assert array.tolist() == [0.0, 1.0]
    assert array.dtype.flags == np.dtype('f8').flags == 0
    assert pickle.loads(pickle.dumps(array)).dtype.flags == 0
    assert type(pickle.loads(pickle.dumps(array))) is np.ndarray


@pytest.mark.parametrize('code', ['O', 'U4', 'S4', 'V8', 'M8[s]', 'f8,O'])
def test_arrays_of_other_things_than_numbers_are_refused(code):
    with pytest.raises(InputError, match='could run code'):
        load(array_pickle(code))


def test_the_array_constructor_is_out_of_reach():
    """numpy.ndarray((1,), 'O', bytes) follows a forged pointer."""
    stream = io.BytesIO()
    torch.save({'array': Call(np.ndarray, (1,), 'O', b'12345678')}, stream)
    stream.seek(0)
    assert load(stream)['array'].size == 0


@pytest.mark.parametrize('data', [b'', b'123', b'x' * 17, 'text', [1.0, 2.0], None])
def test_array_bytes_must_fit(data):
    stream = array_pickle('f8', data=data)
    if data is None:
        assert load(stream)['array'].shape == (2,)
        return
    with pytest.raises(InputError):
        load(stream)


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
def test_plain_content_survives(tmp_path, zipped):
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    content = {
        'state_dict': {'w': torch.arange(4.0), 'h': torch.ones(2, dtype=torch.bfloat16)},
        'optimizer': {'state': {0: {'step': torch.tensor(3.0)}}, 'param_groups': [{'lr': 0.1}]},
        'message_hub': {
            'log_scalars': {'train/loss': history},
            'runtime_info': {'epoch': 3, 'best': np.float64(0.5), 'seed': np.uint32(7)},
            'resumed_keys': {'train/loss': True},
        },
        'meta': {
            'dataset_meta': {'classes': ('a', 'b'), 'palette': [(1, 2, 3)]},
            'table': np.arange(6, dtype='>i4').reshape(2, 3),
            'columns': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            'bool': np.bool_(True),
            'none': None,
            'slice': slice(0, 3),
        },
    }
    loaded = load(save(content, tmp_path / 'a.pth', zipped))
    assert loaded['state_dict']['w'].tolist() == [0, 1, 2, 3]
    assert loaded['state_dict']['h'].dtype == torch.bfloat16
    hub = loaded['message_hub']
    assert hub['log_scalars']['train/loss'].mean() == 2
    assert hub['log_scalars']['train/loss'].statistics('max') == 3
    hub['log_scalars']['train/loss'].update(8.0)
    assert hub['log_scalars']['train/loss'].mean() == 4
    assert hub['runtime_info'] == {'epoch': 3, 'best': 0.5, 'seed': 7}
    assert type(hub['runtime_info']['best']) is np.float64
    meta = loaded['meta']
    assert meta['dataset_meta'] == content['meta']['dataset_meta']
    np.testing.assert_array_equal(meta['table'], content['meta']['table'])
    np.testing.assert_array_equal(meta['columns'], content['meta']['columns'])
    assert meta['table'].dtype.kind == 'i'
    assert meta['bool']
    assert meta['slice'] == slice(0, 3)
    # What was loaded can be saved and loaded again: a resumed run does.
    again = load(save(loaded, tmp_path / 'b.pth', zipped))
    assert again['message_hub']['log_scalars']['train/loss'].mean() == 4
    np.testing.assert_array_equal(again['meta']['table'], content['meta']['table'])


def broken_files() -> dict[str, bytes]:
    stream, legacy, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({'w': torch.ones(500)}, stream)
    torch.save({'w': torch.ones(500)}, legacy, _use_new_zipfile_serialization=False)
    import zipfile

    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('readme.txt', 'no checkpoint')
    return {
        'empty': b'',
        'text': b'these are no weights',
        'zeros': bytes(100),
        'json': b'{"images": []}',
        'pickle': pickle.dumps({'w': 1}),
        'cut zip': stream.getvalue()[:600],
        'cut legacy': legacy.getvalue()[:600],
        'other zip': archive.getvalue(),
        'zip start': b'PK\x03\x04' + bytes(50),
    }


@pytest.mark.parametrize('kind', sorted(broken_files()))
def test_broken_files_are_named_in_one_line(kind, tmp_path):
    file = tmp_path / 'weights.pth'
    file.write_bytes(broken_files()[kind])
    with pytest.raises(InputError, match=r'weights\.pth: not a readable checkpoint') as caught:
        load(file)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) - len(str(file)) < 250
    with pytest.raises(InputError, match=r'weights\.pth'):
        upstream.load_checkpoint(torch.nn.Linear(1, 1), str(file))


def test_folder_and_missing_file(tmp_path):
    with pytest.raises(InputError, match='not a readable checkpoint'):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / 'none.pth')


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
def test_damaged_bytes_raise_nothing_but_input_error(zipped):
    stream = io.BytesIO()
    content = {'h': HistoryBuffer([1.0], [1]), 'w': torch.arange(9.0), 'n': np.float64(2)}
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    data, generator = stream.getvalue(), random.Random(0)
    refused = 0
    for round_ in range(300):
        broken = bytearray(data)
        if round_ % 3:
            for _ in range(3):
                broken[generator.randrange(min(len(broken), 900))] = generator.randrange(256)
        else:
            broken = broken[: generator.randrange(len(broken))]
        try:
            load(io.BytesIO(bytes(broken)))
        except InputError:
            refused += 1
    assert refused > 200


def test_load_url(tmp_path, capsys):
    file = save({'w': torch.ones(1)}, tmp_path / 'a.pth')
    cache = tmp_path / 'cache'
    assert list(load_url(file.as_uri(), str(cache), progress=False)) == ['w']
    file.unlink()
    assert list(load_url(file.as_uri(), str(cache), progress=False)) == ['w']  # from the cache
    with pytest.raises(InputError, match=r'b\.pth: download failed .*local path'):
        load_url((tmp_path / 'b.pth').as_uri(), str(cache), progress=False)
    with pytest.raises(InputError, match='names no file'):
        load_url('https://127.0.0.1/', str(cache), progress=False)
    wrong = save({'w': torch.ones(1)}, tmp_path / 'c-01234567.pth')
    with pytest.raises(InputError, match='download failed'):
        load_url(wrong.as_uri(), str(cache), progress=False, check_hash=True)
    assert sorted(path.name for path in cache.iterdir()) == ['a.pth']


def test_guarded_module_is_still_torch_otherwise():
    assert upstream.torch.load is load
    assert upstream.torch.save is torch.save
    assert upstream.torch.nn is torch.nn
    assert upstream.load_url is load_url
    assert torch.load is not load


def test_guard_when_mmengine_came_first(tmp_path, mark):
    file = save(Call(open, str(mark), 'w'), tmp_path / 'a.pth')
    code = (
        'import sys, mmengine.runner, torch\n'
        'from mmengine.runner import load_checkpoint\n'
        'import mmdefect\n'
        'try:\n'
        '    load_checkpoint(torch.nn.Linear(1, 1), sys.argv[1])\n'
        'except ValueError as error:\n'
        '    print(type(error).__name__)\n'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code, str(file)], capture_output=True, text=True
    )
    assert 'InputError' in done.stdout, done.stderr
    assert not mark.exists()
