"""Config files, read once for every command, with ``--cfg-options`` applied."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from mmdefect.engine.config_options import apply_options
from mmdefect.errors import InputError

__all__ = ['naming_variables', 'parse_options', 'read_config', 'use_amp']

# As MMEngine finds environment variables in the text of a config.
_VARIABLE = re.compile(r"""\{\{['"]?\s*\$(\w+)\s*:\s*(\S*?)\s*['"]?\}\}""")


def read_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read the config of a detector.

    Args:
        path (str | Path): Config file.
        options (Mapping[str, Any] | None): Dotted keys and values of ``--cfg-options``. Default
            None.

    Returns:
        Config: The config; the file stays as it is.

    Raises:
        InputError: There is no such file, it cannot be executed, lacks ``model`` or
            ``optim_wrapper``, or an option does not fit.

    Example:
        >>> read_config('none.py')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.py: no such file; give an existing config file
    """
    if not Path(path).is_file():
        kind = 'is a folder' if Path(path).is_dir() else 'no such file'
        raise InputError(f'{path}: {kind}; give an existing config file')
    try:
        config = Config.fromfile(str(path))
    # A config is executed, so it can raise anything.
    except Exception as error:
        raise InputError(
            f'{path}: not a readable config ({type(error).__name__}: {error}); correct it'
        ) from None
    for key in ('model', 'optim_wrapper'):
        if key not in config:
            raise InputError(f'{path}: no key {key!r}; give the config of a detector')
    if options:
        apply_options(config, options)
    return config


@contextlib.contextmanager
def naming_variables(config: Config) -> Iterator[None]:
    """Say which environment variable a missing path of a config comes from.

    Args:
        config (Config): The config, read from a file.

    Yields:
        None: Inside, the config is used.

    Raises:
        InputError: As raised inside; where it names a missing path that begins with the value of
            a variable of the config, with that variable.

    Example:
        >>> with naming_variables(Config(dict(a=1))):
        ...     raise InputError('none.json: no such file')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.json: no such file
    """
    try:
        yield
    except InputError as error:
        message = str(error)
        for name, default in dict(_VARIABLE.findall(config.text or '')).items():
            value = os.environ.get(name, default)
            # A word alone is not taken for a path.
            start = re.escape(value) + ('' if '/' in value else '/')
            paths = re.findall(rf"""(?<![\w/.-]){start}[^\s:,;'"]*""", message)
            if any(not os.path.exists(path) for path in paths):
                how = 'is set to' if name in os.environ else 'is not set, so it is'
                raise InputError(f'{message}; {name} names this folder and {how} {value}') from None
        raise


def use_amp(config: Config, name: str | Path) -> None:
    """Let a config train in mixed precision, on CPUs too; changes it in place.

    Args:
        config (Config): The config.
        name (str | Path): What messages call it.

    Raises:
        InputError: Its optimiser wrapper is another one.

    Example:
        >>> config = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
        >>> use_amp(config, 'c.py')
        >>> config.optim_wrapper.type
        'mmdefect.AmpOptimWrapper'
    """
    kind = config.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper', 'mmdefect.AmpOptimWrapper'):
        raise InputError(f'{name}: --amp needs optim_wrapper.type OptimWrapper, got {kind}')
    config.optim_wrapper.type = 'mmdefect.AmpOptimWrapper'


def parse_options(items: Sequence[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` words as MMDetection's ``--cfg-options`` does.

    Args:
        items (Sequence[str]): Words such as ``model.bbox_head.loss_cls.gamma=1.5``.

    Returns:
        dict[str, Any]: Dotted keys and their values.

    Raises:
        InputError: A word has no ``=``, or its value cannot be parsed.

    Example:
        >>> parse_options(['a.b=2', 'c=[1,2]', 'd=None'])
        {'a.b': 2, 'c': [1, 2], 'd': None}
    """
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    parsed: dict[str, Any] = {}
    for item in items:
        key, equals, _ = item.partition('=')
        if not key or key.startswith('-') or not equals:
            raise InputError(f'--cfg-options {item}: must be KEY=VALUE')
        try:
            parsed.update(parser.parse_args(['--cfg-options', item]).cfg_options)
        except (AssertionError, ValueError, argparse.ArgumentError) as error:
            raise InputError(f'--cfg-options {item}: cannot be parsed ({error})') from None
    return parsed
