"""Checkpoints that cannot run code.

A pickle executes what it contains. PyTorch's ``weights_only=True`` refuses that, but the
original mmengine cannot load its own checkpoints under it (``HistoryBuffer``, mmengine #1655),
and the maintained fork answers a refusal by loading again with ``weights_only=False``.
:func:`load` knows the harmless types that mmengine writes and refuses everything else.
"""

from __future__ import annotations

import os
import pickle
from types import ModuleType
from typing import IO, Any
from urllib.parse import urlparse

from mmdefect.compat.embedded_config import drop_code
from mmdefect.errors import InputError

__all__ = ['guard', 'load', 'load_url']


def _safe_globals() -> list[Any]:
    """Types beyond tensors that mmengine writes into checkpoints, all of them plain data."""
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    numpy_core = np._core if hasattr(np, '_core') else np.core
    scalars = (np.bool_, np.int32, np.int64, np.float16, np.float32, np.float64, np.uint8)
    # mmengine maps HistoryBuffer's statistics by name: pickled as `getattr(HistoryBuffer, name)`.
    return [
        HistoryBuffer,
        (_history_buffer_attribute, 'builtins.getattr'),
        np.ndarray,
        np.dtype,
        numpy_core.multiarray._reconstruct,
        (numpy_core.multiarray._reconstruct, 'numpy.core.multiarray._reconstruct'),
        numpy_core.multiarray.scalar,
        (numpy_core.multiarray.scalar, 'numpy.core.multiarray.scalar'),
        *{type(np.dtype(scalar)) for scalar in scalars},
        *scalars,
        slice,
    ]


def _history_buffer_attribute(owner: Any, name: str) -> Any:
    """The one attribute access a checkpoint may make: a statistics method of HistoryBuffer."""
    from mmengine.logging.history_buffer import HistoryBuffer

    if owner is not HistoryBuffer or name not in ('current', 'mean', 'max', 'min', 'data'):
        raise pickle.UnpicklingError(f'attribute {name!r} of {owner!r} is not plain data')
    return getattr(owner, name)


def load(file: str | os.PathLike[str] | IO[bytes], map_location: Any = None, **_: Any) -> Any:
    """Load a checkpoint of weights and plain data; refuse everything that could run code.

    Args:
        file (str | PathLike | IO[bytes]): Checkpoint file or an open binary stream.
        map_location (Any): As in :func:`torch.load`. Default None.
        **_: Other arguments of :func:`torch.load`, ``weights_only`` among them; they cannot
            weaken the check.

    Returns:
        Any: The content, for mmengine a dict.

    Raises:
        InputError: The file holds something else than weights and plain data, or is no
            checkpoint.
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
        with torch.serialization.safe_globals(_safe_globals()):
            checkpoint = torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        reason = _refused_name(str(error))
        raise InputError(
            f'{name}: refused, the file holds {reason}, which could run code on this machine; '
            'get the weights from a source you trust as a plain state dict '
            "(torch.save(model.state_dict(), ...))"
        ) from None
    except (EOFError, RuntimeError, KeyError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f'{name}: not a readable checkpoint ({first}); it may be cut short, copy it again'
        ) from None
    drop_code(checkpoint, name)
    return checkpoint


def _refused_name(message: str) -> str:
    """Take the name of the refused object out of torch's long explanation."""
    for marker in ('GLOBAL ', 'Unsupported global: ', 'Unsupported class '):
        if marker in message:
            words = message.split(marker, 1)[1].split()
            # "Unsupported global: GLOBAL os.system was not ..."
            name = words[1] if words[0] == 'GLOBAL' and len(words) > 1 else words[0]
            return f"'{name.strip('.,`')}'"
    return 'objects other than weights and plain data'


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
        InputError: The download fails, or the file is refused by :func:`load`.

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
    target = cache / (file_name or Path(urlparse(url).path).name)
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
