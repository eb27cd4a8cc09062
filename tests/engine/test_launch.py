import os
import signal

import pytest
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader, Dataset

from mmdefect.engine import launch
from mmdefect.engine.launch import run, train
from mmdefect.errors import InputError


def raises(error):
    def command(arguments):
        raise error

    return command


@pytest.mark.parametrize(
    ('error', 'code', 'line'),
    [
        (InputError('a.py: no such file'), 2, 'mmdefect: a.py: no such file\n'),
        (
            InputError('Caught InputError in worker 0.\n  Traceback\nx.InputError: a.jpg: torn'),
            2,
            'mmdefect: a.jpg: torn\n',
        ),
        (
            TypeError("FocalLoss.__init__() got an unexpected keyword argument 'gama'"),
            2,
            "mmdefect: FocalLoss has no key 'gama'; correct it in the config or the options\n",
        ),
        (
            KeyError('mmdefect.FocalBBoxHed is not in the mmdet::model registry. Please check'),
            2,
            'mmdefect: mmdefect.FocalBBoxHed is not in the mmdet::model registry; did you mean '
            "'FocalBBoxHead'?\n",
        ),
        (
            KeyboardInterrupt(),
            130,
            'mmdefect: stopped\n',
        ),
        (
            RuntimeError('DataLoader worker (pid(s) 7, 8) exited unexpectedly'),
            2,
            'mmdefect: a loader process exited unexpectedly; where memory has run out, lower '
            'num_workers or batch_size\n',
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(error, code, line, capsys):
    with pytest.raises(SystemExit) as caught:
        run(raises(error))
    assert caught.value.code == code
    assert capsys.readouterr().err == line


def test_other_errors_keep_their_traceback():
    for error in (
        TypeError('unsupported operand'),
        RuntimeError('mat1 and mat2 shapes'),
        KeyError('gamma'),
    ):
        with pytest.raises(type(error), match=str(error)):
            run(raises(error))


class Dying(Dataset):
    def __init__(self, number):
        self.number = number

    def __len__(self):
        return 4

    def __getitem__(self, index):
        os.kill(os.getpid(), self.number)


@pytest.mark.skipif(os.name == 'nt', reason='Windows kills at once')
@pytest.mark.parametrize(
    ('name', 'code', 'said'),
    [
        ('SIGTERM', 143, 'stopped'),
        ('SIGKILL', 2, 'a loader process is killed by signal: Killed; where memory has run out'),
    ],
)
def test_a_loader_process_is_killed(name, code, said, capsys):
    number = getattr(signal, name)
    with pytest.raises(SystemExit) as caught:
        run(lambda _: list(DataLoader(Dying(number), num_workers=1)))
    assert caught.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'mmdefect: {said}')


@pytest.mark.skipif(os.name == 'nt', reason='Windows kills at once')
def test_sigterm_is_a_stop_too(capsys):
    before = signal.getsignal(signal.SIGTERM)

    def command(arguments):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as caught:
        run(command)
    assert caught.value.code == 143
    assert capsys.readouterr().err == 'mmdefect: stopped\n'
    assert signal.getsignal(signal.SIGTERM) is before


def stop_after(action):
    run_iter = EpochBasedTrainLoop.run_iter

    def patched(self, idx, data_batch):
        run_iter(self, idx, data_batch)
        action(self)

    return patched


@pytest.mark.skipif(os.name == 'nt', reason='Windows kills at once')
@pytest.mark.parametrize('saved', [True, False])
def test_a_stopped_training_says_how_to_go_on(saved, tiny_config, tmp_path, monkeypatch, capsys):
    def stop(self):
        if saved == (self.runner.epoch == 1):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmengine.runner.EpochBasedTrainLoop.run_iter', stop_after(stop))
    arguments = [str(tiny_config), '--work-dir', 'work', '--cfg-options', 'train_cfg.max_epochs=2']
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        run(lambda _: train(arguments))
    assert caught.value.code == 143
    (line,) = capsys.readouterr().err.splitlines()
    if saved:
        assert line == (
            'mmdefect: stopped; tools/train.py with --resume goes on from work/epoch_1.pth'
        )
    else:
        assert line == 'mmdefect: stopped; no checkpoint has been saved yet, so it starts anew'


def test_resume_finds_the_checkpoint_of_a_moved_work_dir(tmp_path):
    work_dir = tmp_path / 'moved'
    work_dir.mkdir()
    assert launch._last_checkpoint(str(work_dir)) is None
    (work_dir / 'last_checkpoint').write_text('/nowhere/epoch_3.pth')
    assert launch._last_checkpoint(str(work_dir)) == '/nowhere/epoch_3.pth'
    (work_dir / 'epoch_3.pth').touch()
    assert launch._last_checkpoint(str(work_dir)) == str(work_dir / 'epoch_3.pth')


def test_runs_of_a_process_write_into_their_own_files(tiny_trained, tmp_path):
    for name in ('first', 'second'):
        launch.test(
            [str(tiny_trained.config), str(tiny_trained.checkpoint), '--work-dir',
             str(tmp_path / name), '--cfg-options', 'test_dataloader.dataset.indices=1']
        )  # fmt: skip
    files = [len(list((tmp_path / name).rglob('events.*'))) for name in ('first', 'second')]
    assert files == [1, 1]
