"""Checkpoints that cannot run code.

A pickle executes what it contains. PyTorch's ``weights_only=True`` refuses that, but the
original mmengine cannot load its own checkpoints under it (``HistoryBuffer``, mmengine #1655),
and the maintained fork answers a refusal by loading again with ``weights_only=False``.
:func:`load` knows the harmless types that mmengine writes and refuses everything else.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator
from types import ModuleType
from typing import IO, Any
from urllib.parse import urlparse

from mmdefect.compat.embedded_config import drop_code
from mmdefect.compat.plain_numpy import numpy_globals
from mmdefect.errors import InputError

__all__ = ['guard', 'load', 'load_url']

_NO_REASON = 'damaged, or not written by torch.save'


def _safe_globals() -> list[Any]:
    """Types beyond tensors that mmengine writes into checkpoints, all of them plain data."""
    from mmengine.logging.history_buffer import HistoryBuffer

    return [
        HistoryBuffer,
        # HistoryBuffer keeps its statistics by name, pickled as `getattr(HistoryBuffer, name)`.
        (_history_buffer_attribute, 'builtins.getattr'),
        *numpy_globals(),
        slice,
    ]


def _history_buffer_attribute(owner: Any, name: str) -> Any:
    """The one attribute access a checkpoint may make: a statistics method of HistoryBuffer."""
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is not HistoryBuffer or name not in ('current', 'mean', 'max', 'min', 'data'):
        raise pickle.UnpicklingError(f'attribute {name!r} of {owner!r} is not plain data')
    return getattr(owner, name)


@contextlib.contextmanager
def _only_safe_globals() -> Iterator[None]:
    """Allow our list and nothing else."""
    from torch import serialization

    # The fork calls us inside a context of its own that allows the unrestricted getattr.
    outer = serialization.get_safe_globals()
    serialization.clear_safe_globals()
    try:
        with serialization.safe_globals(_safe_globals()):
            yield
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(outer)


def load(file: str | os.PathLike[str] | IO[bytes], map_location: Any = None, **_: Any) -> Any:
    """Load a checkpoint of weights and plain data; refuse everything that could run code.

    Args:
        file (str | PathLike | IO[bytes]): Checkpoint file or an open binary stream.
        map_location (Any): As in :func:`torch.load`. Default None.
        **_: Other arguments of :func:`torch.load`, ``weights_only`` among them. Neither they nor
            what the process has added to ``torch.serialization`` weaken the check.

    Returns:
        Any: The content, for mmengine a dict.

    Raises:
        InputError: The file holds something else than weights and plain data, is no
            checkpoint, or cannot be read.
        FileNotFoundError: No such file.

    Example:
        >>> import io, torch
        >>> stream = io.BytesIO()
        >>> torch.save({'weight': torch.ones(2)}, stream)
        >>> _ = stream.seek(0)
        >>> load(stream)['weight'].sum().item()
        2.0
    """
    import torch

    name = os.fspath(file) if isinstance(file, (str, os.PathLike)) else 'checkpoint'
    try:
        with _only_safe_globals():
            checkpoint = torch.load(file, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError as error:
        refused = _refused_object(str(error))
        if refused is None:
            raise InputError(_unreadable(name, _NO_REASON)) from None
        raise InputError(
            f'{name}: refused, the file holds {refused}, which could run code on this machine; '
            'get the weights from a source you trust as a plain state dict '
            '(torch.save(model.state_dict(), ...))'
        ) from None
    # A damaged file can end anywhere inside the unpickler.
    except Exception as error:
        reason = getattr(error, 'strerror', None)
        if isinstance(error, RuntimeError):
            reason = str(error).splitlines()[0].split('. ')[0]
        raise InputError(_unreadable(name, reason or _NO_REASON)) from None
    drop_code(checkpoint, name)
    return checkpoint


def _unreadable(name: str, reason: str) -> str:
    return f'{name}: not a readable checkpoint ({reason}); it may be cut short, copy it again'


def _refused_object(message: str) -> str | None:
    """Take the refused object out of torch's long explanation; None when the file is damaged."""
    if 'GLOBAL ' in message:
        return repr(message.split('GLOBAL ', 1)[1].split()[0])
    for marker in ('is not plain data', 'Trying to call reduce', 'Can only', 'TorchScript'):
        if marker in message:
            return 'objects other than weights and plain data'
    return None


def load_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
) -> Any:
    """Download a checkpoint once into torch's hub cache and load it through :func:`load`.

    Args:
        url (str): Address of the checkpoint; ``file://`` works offline.
        model_dir (str | None): Cache folder. Default None, torch's hub folder.
        map_location (Any): As in :func:`torch.load`. Default None.
        progress (bool): Show a progress bar. Default True.
        check_hash (bool): Compare the file's SHA-256 with the one in its name. Default False.
        file_name (str | None): Name in the cache. Default None, the last part of the URL.

    Returns:
        Any: The content, for mmengine a dict.

    Raises:
        InputError: The URL names no file, the download fails, or the file is refused by
            :func:`load`.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> torch.save({'bias': torch.zeros(1)}, folder / 'a.pth')
        >>> list(load_url((folder / 'a.pth').as_uri(), str(folder / 'cache'), progress=False))
        ['bias']
    """
    from pathlib import Path

    import torch

    cache = Path(model_dir or Path(torch.hub.get_dir()) / 'checkpoints')
    cache.mkdir(parents=True, exist_ok=True)
    name = file_name or Path(urlparse(url).path).name
    if not name:
        raise InputError(f'{url}: names no file; give the address of a checkpoint')
    target = cache / name
    if not target.exists():
        prefix = torch.hub.HASH_REGEX.search(target.name) if check_hash else None
        try:
            torch.hub.download_url_to_file(
                url, str(target), prefix.group(1) if prefix else None, progress=progress
            )
        except (OSError, RuntimeError) as error:
            raise InputError(
                f'{url}: download failed ({error}); without a network, copy the file to '
                f'{target} or give a local path'
            ) from None
    return load(target, map_location)


class _TorchWithSafeLoad(ModuleType):
    """What ``mmengine.runner.checkpoint`` sees as ``torch``: all of it, with a safe ``load``."""

    load = staticmethod(load)

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)


def guard(module: ModuleType) -> None:
    """Make every load in ``mmengine.runner.checkpoint`` go through :func:`load`.

    Its functions look ``torch`` and ``load_url`` up in the module, so replacing these two names
    covers local files, URLs, ``torchvision://``, ``openmmlab://`` and object stores alike, on
    both stacks, for ``Runner.load_checkpoint``, ``Runner.resume``, ``init_cfg`` and the
    inferencers.

    Args:
        module (ModuleType): ``mmengine.runner.checkpoint``.

    Example:
        >>> import mmengine.runner.checkpoint as module
        >>> guard(module)
        >>> module.torch.load is load
        True
    """
    module.torch = _TorchWithSafeLoad('torch')  # type: ignore[attr-defined]
    module.load_url = load_url  # type: ignore[attr-defined]
