"""Peak memory of this process."""

from __future__ import annotations

import sys

import torch

__all__ = ['peak_memory', 'peak_memory_gpu']


def peak_memory() -> int | None:
    """Largest resident memory of this process so far.

    Returns:
        int | None: Bytes; None where the system does not say.

    Example:
        >>> peak_memory() is None or peak_memory() > 10**7
        True
    """
    if sys.platform == 'win32':
        return _peak_windows()
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024


def peak_memory_gpu() -> int | None:
    """Largest memory that tensors took on the GPU so far.

    Returns:
        int | None: Bytes; None without a GPU.

    Example:
        >>> peak_memory_gpu() is None or peak_memory_gpu() >= 0
        True
    """
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def _peak_windows() -> int | None:
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS."""

        _fields_ = [('cb', wintypes.DWORD), ('PageFaultCount', wintypes.DWORD)] + [
            (name, ctypes.c_size_t)
            for name in (
                'PeakWorkingSetSize', 'WorkingSetSize', 'QuotaPeakPagedPoolUsage',
                'QuotaPagedPoolUsage', 'QuotaPeakNonPagedPoolUsage', 'QuotaNonPagedPoolUsage',
                'PagefileUsage', 'PeakPagefileUsage',
            )
        ]  # fmt: skip

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = ctypes.WinDLL('kernel32')  # type: ignore[attr-defined]
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    ask = kernel.K32GetProcessMemoryInfo
    ask.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
    done = ask(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb)
    return int(counters.PeakWorkingSetSize) if done else None
