"""Training and testing from a config, with MMDetection's own flags."""

from __future__ import annotations

import argparse
import itertools
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.runner import Runner, find_latest_checkpoint

from mmdefect.engine.config_file import naming_variables, read_config, use_amp
from mmdefect.engine.cpu_ranks import cpu_ranks, use_device
from mmdefect.engine.hooks.progress_hook import ProgressHook
from mmdefect.engine.hooks.results_file_hook import ResultsFileHook
from mmdefect.engine.precision import autocast_layers, low_precision
from mmdefect.errors import InputError

__all__ = ['run', 'test', 'train']

# Of this process.
_RUNS = itertools.count(1)
# How PyTorch says that a loader process is gone.
_LOST_LOADER = re.compile(
    r'DataLoader worker \(pid.*?\) (is killed by signal: [A-Z][a-z ]+|exited unexpectedly)'
)
_UNKNOWN_KEY = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")


def run(command: Callable[[Sequence[str] | None], object]) -> None:
    """Run a command; bad input becomes one line on standard error and exit code 2.

    Ctrl-C exits with 130 and says how to go on; so does SIGTERM, which schedulers send, with 143,
    also where it reaches the loader processes first.

    Args:
        command (Callable): :func:`train` or :func:`test`.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        command(None)
    except InputError as error:
        print(f'mmdefect: {error}', file=sys.stderr)
        sys.exit(2)
    except TypeError as error:
        # What a registered component says to a misspelt key of its config.
        found = _UNKNOWN_KEY.search(str(error))
        if found is None:
            raise
        component, key = found.groups()
        print(
            f'mmdefect: {component} has no key {key!r}; correct it in the config or the options',
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyError as error:
        # Imported here: it brings in all of what checks a config.
        from mmdefect.engine.check.cures import unknown_type

        line = unknown_type(error)
        if line is None:
            raise
        print(f'mmdefect: {line}', file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, RuntimeError) as stop:
        ended = _ended(stop)
        if ended is None:
            raise
        what, code = ended
        print(f'mmdefect: {what}{getattr(stop, "how", "")}', file=sys.stderr)
        sys.exit(code)
    finally:
        signal.signal(signal.SIGTERM, before)


def _ended(error: KeyboardInterrupt | RuntimeError) -> tuple[str, int] | None:
    """What has ended the run from outside, and the exit code; None: nothing has."""
    if isinstance(error, KeyboardInterrupt):
        return 'stopped', 128 + getattr(error, 'number', signal.SIGINT)
    # The cause knows the signal.
    lost = _LOST_LOADER.search(f'{error.__cause__} {error}')
    if lost is None:
        return None
    if lost[1].endswith('Terminated'):
        return 'stopped', 128 + signal.SIGTERM
    cure = 'where memory has run out, lower num_workers or batch_size'
    return f'a loader process {lost[1]}; {cure}', 2


class _Stop(KeyboardInterrupt):
    """A signal that ends the process."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _interrupt(number: int, frame: object) -> None:
    raise _Stop(number)


def train(arguments: Sequence[str] | None = None) -> None:
    """Train a model from a config.

    Args:
        arguments (Sequence[str] | None): Command line. Default None, which is ``sys.argv``.

    Raises:
        InputError: Config, checkpoint, data or work dir cannot be used.
    """
    parser = _parser('Train a model from a config.')
    parser.add_argument('--amp', action='store_true', help='mixed precision, on CPUs too')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate to the batch size'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from the newest checkpoint of the work dir, or from the given file',
    )
    args = parser.parse_args(arguments)
    config = _load_config(args)
    if args.amp:
        use_amp(config, args.config)
    if args.auto_scale_lr:
        if 'base_batch_size' not in config.get('auto_scale_lr', {}):
            raise InputError(f'{args.config}: --auto-scale-lr needs auto_scale_lr.base_batch_size')
        config.auto_scale_lr.enable = True
    # Without a checkpoint in the work dir, --resume starts as the config says.
    resume_from = args.resume
    if resume_from == 'auto':
        resume_from = _last_checkpoint(config.work_dir)
    if resume_from is not None:
        config.resume, config.load_from = True, resume_from
    if config.get('load_from') is not None:
        config.load_from = _existing(config.load_from)
    with cpu_ranks(config), naming_variables(config):
        runner = _build_runner(config)
        with _closing_bars(runner), _saying_how_to_go_on(runner):
            runner.train()


def test(arguments: Sequence[str] | None = None) -> None:
    """Evaluate a checkpoint on the test set of a config.

    Args:
        arguments (Sequence[str] | None): Command line. Default None, which is ``sys.argv``.

    Raises:
        InputError: Config, checkpoint, data or work dir cannot be used.
    """
    parser = _parser('Evaluate a checkpoint on the test set of a config.')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument(
        '--out', metavar='FILE', help='also write what the model says: FILE.jsonl for mmdefect '
        'thresholds, FILE.pkl as MMDetection does',
    )  # fmt: skip
    parser.add_argument('--amp', action='store_true', help='mixed precision, on CPUs too')
    parser.add_argument('--show-dir', help='also draw the predictions into this folder')
    args = parser.parse_args(arguments)
    config = _load_config(args)
    config.load_from, config.resume = _existing(args.checkpoint), False
    if args.out and not args.out.endswith(('.jsonl', '.pkl', '.pickle')):
        raise InputError(f'--out must end in .jsonl, .pkl or .pickle, got {args.out}')
    if args.show_dir:
        config.default_hooks.visualization = dict(
            type='DetVisualizationHook', draw=True, test_out_dir=args.show_dir
        )
    with cpu_ranks(config), naming_variables(config):
        runner = _build_runner(config)
        if args.out and args.out.endswith('.jsonl'):
            runner.register_hook(ResultsFileHook(args.out, amp=args.amp))
        elif args.out:
            from mmdet.evaluation import DumpDetResults

            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        with _closing_bars(runner), _mixed_precision(runner) if args.amp else nullcontext():
            runner.test()


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and evaluation.json')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='override keys of the config, for example model.bbox_head.loss_cls.gamma=1.5',
    )  # fmt: skip
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument(
        '--device', choices=['auto', 'cpu'], default='auto',
        help='auto: GPUs where there are any; cpu: also where there are',
    )  # fmt: skip
    # torch.distributed.launch passes it.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def _load_config(args: argparse.Namespace) -> Config:
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    use_device(args.device)
    config = read_config(args.config, args.cfg_options)
    config.launcher = args.launcher
    if args.work_dir is not None:
        config.work_dir = args.work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    return config


def _build_runner(config: Config) -> Runner:
    """The last step before the run, so that wrong arguments leave no folder behind."""
    _make_writable(Path(config.work_dir))
    number = next(_RUNS)
    if number > 1:
        # MMEngine finds log, hub and visualiser by name, which may be that of an earlier run
        # of this process: this one would write into its files.
        name = config.get('experiment_name') or Path(config.filename).stem
        config.experiment_name = f'{name}_{number}'
        if config.get('visualizer'):
            config.visualizer.name = config.experiment_name
    return Runner.from_cfg(config)


def _mixed_precision(runner: Runner) -> AbstractContextManager[None]:
    device_type = get_device()
    return autocast_layers(runner.model, device_type, low_precision(device_type))


@contextmanager
def _closing_bars(runner: Runner) -> Iterator[None]:
    """Whatever ends the run, give the terminal back before anything else is printed."""
    try:
        yield
    finally:
        for hook in runner.hooks:
            if isinstance(hook, ProgressHook):
                hook.close()


@contextmanager
def _saying_how_to_go_on(runner: Runner) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, RuntimeError) as stop:
        last = _last_checkpoint(runner.work_dir)
        how = '; no checkpoint has been saved yet, so it starts anew'
        if last is not None:
            how = f'; tools/train.py with --resume goes on from {_shown(last)}'
        stop.how = how  # type: ignore[union-attr]
        raise


def _last_checkpoint(work_dir: str) -> str | None:
    """What ``last_checkpoint`` names, also where the work dir has been moved."""
    if not (Path(work_dir) / 'last_checkpoint').is_file():
        return None
    named = find_latest_checkpoint(work_dir)
    moved = Path(work_dir) / Path(named).name
    return str(moved) if moved.is_file() and not Path(named).is_file() else named


def _shown(path: str) -> str:
    """Relative where that is shorter."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f'.writable-{os.getpid()}'
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f'{folder}: cannot be written ({error.strerror}); give another --work-dir'
        ) from None


def _existing(checkpoint: str) -> str:
    if checkpoint.startswith('file://'):
        checkpoint = url2pathname(urlparse(checkpoint).path)
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise InputError(f'{checkpoint}: no such checkpoint file')
    return checkpoint
