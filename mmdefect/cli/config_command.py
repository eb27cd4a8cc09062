"""What the commands that take a config share."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmdefect.errors import InputError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ['quiet', 'read_command_config']


def read_command_config(
    path: Path, cfg_options: Sequence[str] | None, more_options: Sequence[str] | None
) -> Config:
    """Read a config with its options; the work dir is set as ``tools/train.py`` sets it.

    Args:
        path (Path): Config file.
        cfg_options (Sequence[str] | None): Words behind ``--cfg-options``, one per flag.
        more_options (Sequence[str] | None): Further ``KEY=VALUE`` words, as in
            ``--cfg-options a=1 b=2``.

    Returns:
        Config: The config.

    Raises:
        InputError: Config or options cannot be read, or words stand there that are no options.

    Example:
        >>> read_command_config(Path('c.py'), None, ['a=1'])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: a=1: write --cfg-options before it
    """
    from mmdefect.engine.config_file import parse_options, read_config

    if more_options and not cfg_options:
        raise InputError(f'{more_options[0]}: write --cfg-options before it')
    config = read_config(path, parse_options([*(cfg_options or ()), *(more_options or ())]))
    if config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / path.stem)
    return config


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what upstream prints, logs and warns of out of a command's own output.

    Yields:
        None: Inside, standard output goes nowhere.

    Example:
        >>> with quiet():
        ...     print('loading annotations into memory...')
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
