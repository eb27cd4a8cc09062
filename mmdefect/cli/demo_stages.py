"""What the demonstrations have in common: their configs, stages, and tools of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmdefect.cli.progress import progress
from mmdefect.errors import InputError

__all__ = ['config_folder', 'healthy_installation', 'run_tool', 'stage']

_TERMINATED = 128 + signal.SIGTERM


def healthy_installation() -> dict[str, Any]:
    """Diagnose the installation.

    Returns:
        dict[str, Any]: Of :func:`mmdefect.compat.health.diagnose`.

    Raises:
        InputError: Something is wrong with it.
    """
    from mmdefect.compat.health import diagnose

    with progress('importing what is installed'):
        health = diagnose()
    if health['problems']:
        raise InputError(f'{health["problems"][0]}; see `mmdefect doctor`')
    return health


def config_folder() -> Path:
    """Find the configs.

    Returns:
        Path: The repository's folder, or the copy that an installed package carries for MIM.
    """
    import mmdefect

    package = Path(mmdefect.__file__).parent
    repository = package.parent / 'configs'
    return repository if repository.is_dir() else package / '.mim' / 'configs'


def stage(title: str, seconds: dict[str, float], key: str, action: Callable[[], Any]) -> Any:
    """Do something under a title, and note how long it takes.

    Args:
        title (str): Printed before.
        seconds (dict[str, float]): Gets the duration in seconds.
        key (str): Under this name.
        action (Callable[[], Any]): What is done.

    Returns:
        Any: What ``action`` returns.

    Example:
        >>> stage('1/1 counting', {}, 'count', lambda: 3)
        <BLANKLINE>
        == 1/1 counting
        3
    """
    print(f'\n== {title}', flush=True)
    start = time.perf_counter()
    result = action()
    seconds[key] = round(time.perf_counter() - start, 1)
    return result


def run_tool(command: str, arguments: list[str]) -> None:
    """Train or test in a process of its own, as a user would.

    SIGTERM ends that process first, which then says how to go on, and this one with 143.

    Args:
        command (str): ``train`` or ``test``.
        arguments (list[str]): Of ``tools/train.py`` or ``tools/test.py``.

    Raises:
        InputError: It failed.
    """
    code = f'import mmdefect\nfrom mmdefect.engine.launch import run, {command}\nrun({command})'
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        # Its end is waited for, whatever happens.
        with subprocess.Popen([sys.executable, '-W', 'ignore', '-c', code, *arguments]) as tool:
            try:
                ended = tool.wait()
            except SystemExit:
                tool.terminate()
                raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if ended:
        raise InputError(f'{command} stopped with exit code {ended}; see the lines above')
