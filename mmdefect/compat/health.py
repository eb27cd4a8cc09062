"""What ``mmdefect doctor`` finds out: versions, ops, CPU, GPU, and problems with their cures."""

from __future__ import annotations

import importlib
import platform
from importlib import metadata
from typing import Any

from mmdefect._version import __version__
from mmdefect.compat.stack import installed_stack
from mmdefect.compat.torchvision_schemas import library_error

__all__ = ['diagnose']


def diagnose() -> dict[str, Any]:
    """Examine this environment without changing it.

    Returns:
        dict[str, Any]: ``versions``, ``stack``, ``ops`` (implementation per op
        on the GPU if there is one), ``cpu``,
        ``gpu``, ``information`` and ``problems`` (lists of lines). Broken is what is in
        ``problems``.

    Example:
        >>> sorted(diagnose())
        ['cpu', 'gpu', 'information', 'ops', 'problems', 'stack', 'versions']
    """
    stack, versions, errors, notes = installed_stack()
    problems, information = list(errors), list(notes)
    result: dict[str, Any] = {
        'versions': {'mmdefect': __version__, 'python': platform.python_version(), **versions},
        'stack': stack,
        'ops': {},
        'cpu': {},
        'gpu': [],
        'information': information,
        'problems': problems,
    }
    torch = _import('torch', problems, "pip install 'torch>=2.6'")
    cv2 = _import('cv2', problems, _OPENCV_CURE)
    numpy = _import('numpy', problems, 'pip install numpy')
    for name, module in (('torch', torch), ('opencv', cv2), ('numpy', numpy)):
        result['versions'][name] = getattr(module, '__version__', None)
    _check_opencv(information)
    if torch is None:
        return result
    result['cpu'] = _cpu(torch)
    result['gpu'] = _gpus(torch)
    torchvision = _import('torchvision', problems, 'pip install torchvision')
    result['versions']['torchvision'] = getattr(torchvision, '__version__', None)
    reason = library_error()
    if reason:
        information.append(f"torchvision's compiled library cannot load ({reason}); ours serves")
    if errors:
        return result
    _check_mmcv(information, problems)
    for name in ('mmdet.models', 'mmpretrain.models', 'mmdefect.registry'):
        _import(name, problems, f"pip install --force-reinstall 'mmdefect[{stack}]'")
    result['ops'] = _ops(problems, 'cuda' if result['gpu'] else 'cpu')
    return result


_OPENCV_CURE = (
    'on a machine without a display: pip uninstall -y opencv-python && '
    'pip install --force-reinstall opencv-python-headless (or install the package libgl1)'
)


def _import(name: str, problems: list[str], cure: str) -> Any:
    try:
        return importlib.import_module(name)
    # Whatever stops an import is what the user came to hear.
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        problems.append(f'import {name} fails: {first}; {cure}')
        return None


def _check_opencv(information: list[str]) -> None:
    names = ('opencv-python', 'opencv-python-headless')
    found = []
    for name in names:
        try:
            found.append(f'{name} {metadata.version(name)}')
        except metadata.PackageNotFoundError:
            continue
    if len(found) > 1:
        information.append(
            f'{" and ".join(found)} share the folder cv2; keep one: pip uninstall -y '
            f'{" ".join(names)} && pip install {names[1]}'
        )


def _check_mmcv(information: list[str], problems: list[str]) -> None:
    extension = _import('mmcv._ext', problems, 'reinstall mmcv')
    if getattr(extension, '__mmdefect__', False):
        information.append("mmcv has no compiled ops; mmdefect's PyTorch ops serve in their place")


def _cpu(torch: Any) -> dict[str, Any]:
    capabilities = {}
    if hasattr(torch.cpu, 'get_capabilities'):
        capabilities = torch.cpu.get_capabilities()
    else:
        for key, name in (
            ('avx512_bf16', '_is_avx512_bf16_supported'),
            ('amx_tile', '_is_amx_tile_supported'),
            ('avx512_f', '_is_avx512_supported'),
        ):
            probe = getattr(torch.cpu, name, None)
            capabilities[key] = bool(probe and probe())
    amx = bool(capabilities.get('amx_bf16') or capabilities.get('amx_tile'))
    avx512_bf16 = bool(capabilities.get('avx512_bf16'))
    return {
        'name': _cpu_name(),
        'threads': torch.get_num_threads(),
        'avx512': bool(capabilities.get('avx512_f') or capabilities.get('avx512f')),
        'avx512_bf16': avx512_bf16,
        'amx_bf16': amx,
        'bf16_pays': amx or avx512_bf16,
    }


def _cpu_name() -> str:
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            for line in file:
                if line.startswith('model name'):
                    return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpus(torch: Any) -> list[dict[str, Any]]:
    if not torch.cuda.is_available():
        return []
    return [
        {
            'name': torch.cuda.get_device_name(index),
            'memory_gib': round(torch.cuda.get_device_properties(index).total_memory / 2**30, 1),
        }
        for index in range(torch.cuda.device_count())
    ]


def _ops(problems: list[str], device: str) -> dict[str, str]:
    from mmdefect.ops.backends import OPERATORS, description

    try:
        return {name: description(name, device) for name in OPERATORS}
    except ValueError as error:
        problems.append(str(error))
        return {}
