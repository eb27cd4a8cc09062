"""A checkpoint with a payload through whole tools, ours and MMDetection's installed ones."""

from __future__ import annotations

from pathlib import Path

import mmdet
import pytest
import torch

from mmdefect.compat.checkpoints import load

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / 'tools'
UPSTREAM = Path(mmdet.__file__).parent / '.mim' / 'tools'
pytestmark = pytest.mark.slow


class Touch:
    """Pickles as a call that creates a file."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, 'w')


@pytest.fixture
def mark(tmp_path):
    return tmp_path / 'payload-ran'


@pytest.fixture
def bad(tmp_path, tiny_trained, mark):
    """The genuine checkpoint of the tiny detector with a payload beside its weights."""
    content = load(tiny_trained.checkpoint)
    torch.save({**content, 'payload': Touch(mark)}, tmp_path / 'bad.pth')
    return tmp_path / 'bad.pth'


@pytest.mark.parametrize('tools', [OURS, UPSTREAM], ids=['ours', 'upstream'])
@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_payload(run_python, run_tool, tmp_path, tiny_config, bad, mark, tools, tool):
    if not (tools / tool).is_file():
        pytest.skip('MMDetection was installed without its tools')
    arguments = [bad] if tool == 'test.py' else ['--resume', bad]
    work = ('--work-dir', tmp_path / 'work')
    # MMDetection's test.py imports models before it reads the config.
    start = ('-m', 'mmdefect.compat') if (tools, tool) == (UPSTREAM, 'test.py') else ()
    if tools == OURS:
        done = run_tool(tool.removesuffix('.py'), tiny_config, *arguments, *work)
    else:
        done = run_python('-W', 'ignore', *start, tools / tool, tiny_config, *arguments, *work)
    assert not mark.exists()
    if tools == OURS:
        assert done.returncode == 2, done.stderr
        (line,) = (line for line in done.stderr.splitlines() if line.startswith('mmdefect: '))
        assert 'bad.pth: refused' in line
        assert 'Traceback' not in done.stderr
    else:
        assert done.returncode != 0
        assert 'bad.pth: refused' in done.stderr


@pytest.mark.parametrize('place', ['config', 'hub'])
def test_code_in_the_config_text_is_dropped_on_resume(
    run_tool, tmp_path, tiny_config, tiny_trained, mark, place
):
    content = load(tiny_trained.checkpoint)
    text = f'{content["meta"]["cfg"]}\nopen({str(mark)!r}, "w")\n'
    if place == 'config':
        content['meta']['config'] = content['meta']['cfg'] = text
    else:
        content['message_hub']['runtime_info']['cfg'] = text
    torch.save(content, tmp_path / 'code.pth')
    done = run_tool(
        'train', tiny_config, '--resume', tmp_path / 'code.pth',
        '--work-dir', tmp_path / 'work', '--cfg-options', 'train_cfg.max_epochs=2',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not mark.exists()
    assert 'its config text holds more than plain data and was dropped' in done.stderr
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file()


@pytest.mark.parametrize('tools', [OURS, UPSTREAM], ids=['ours', 'upstream'])
def test_a_genuine_checkpoint_resumes(run_python, tmp_path, tiny_config, tiny_trained, tools):
    done = run_python(
        tools / 'train.py', tiny_config, '--resume', tiny_trained.checkpoint,
        '--work-dir', tmp_path / 'work', '--cfg-options', 'train_cfg.max_epochs=2',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'was dropped' not in done.stderr
    log = done.stdout + done.stderr
    assert 'resumed epoch: 1' in log
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file()
