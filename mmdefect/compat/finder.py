"""A lazy finder on ``sys.meta_path``: it acts only when one of these modules is imported.

==========================================  ====================================================
import of                                   what happens
==========================================  ====================================================
``mmcv._ext``                               where no compiled one exists, ours takes its place
``torchvision``                             missing op schemas are declared just before it loads
``mmengine.runner.checkpoint``              its ``torch.load`` becomes the safe one just after
``mmcv.ops.nms``                            its compiled NMS serves the calls where it is faster
``mmdet.apis.det_inferencer``               it learns our loader and 16-bit images just after
``mmdet.datasets.utils``                    it learns our image loader just after
``mmdet.engine.hooks.visualization_hook``   it learns to draw on 16-bit images just after
==========================================  ====================================================
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

__all__ = ['CompatFinder', 'install']

# What to do after a module has loaded: module -> module and function of ours.
_AFTER = {
    'mmengine.runner.checkpoint': ('mmdefect.compat.checkpoints', 'guard'),
    'mmcv.ops.nms': ('mmdefect.compat.mmcv_nms', 'choose_per_call'),
    'mmdet.apis.det_inferencer': ('mmdefect.compat.upstream_loading', 'teach_inferencer'),
    'mmdet.datasets.utils': ('mmdefect.compat.upstream_loading', 'teach_datasets'),
    'mmdet.engine.hooks.visualization_hook': (
        'mmdefect.compat.upstream_drawing',
        'teach_drawing',
    ),
}


class CompatFinder(importlib.abc.MetaPathFinder):
    """Meta path finder for the imports that a wheel-only install needs mended.

    Example:
        >>> CompatFinder().find_spec('json') is None
        True
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for the names above; leave every other import to the ordinary finders.

        Args:
            fullname (str): Absolute module name.
            path (Sequence[str] | None): Search path of the parent package. Default None.
            target (ModuleType | None): Module being reloaded. Default None.

        Returns:
            ModuleSpec | None: None means "not mine".
        """
        if fullname == 'mmcv._ext':
            if importlib.machinery.PathFinder.find_spec(fullname, path) is not None:
                return None
            return importlib.machinery.ModuleSpec(fullname, _StandInLoader())
        if fullname == 'torchvision':
            return _hooked_spec(fullname, path, before=_declare_torchvision_schemas)
        if fullname in _AFTER:
            return _hooked_spec(fullname, path, after=_mend)
        return None


class _StandInLoader(importlib.abc.Loader):
    """Makes the module that stands in for ``mmcv._ext``."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        from mmdefect.compat.mmcv_ext import MMCVExtension

        return MMCVExtension(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """The module is complete when it is made."""


class _HookedLoader(importlib.abc.Loader):
    """Runs a function before or after the real loader executes the module."""

    def __init__(
        self,
        loader: importlib.abc.Loader,
        before: Callable[[], None] | None,
        after: Callable[[ModuleType], None] | None,
    ) -> None:
        self._loader, self._before, self._after = loader, before, after

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self._before is not None:
            self._before()
        self._loader.exec_module(module)
        if self._after is not None:
            self._after(module)

    def __getattr__(self, name: str) -> object:
        # Tools such as inspect and pkgutil ask the loader for source or data; copy and pickle
        # ask before `_loader` exists.
        if name.startswith('__') or name == '_loader':
            raise AttributeError(name)
        return getattr(self._loader, name)


def _hooked_spec(
    fullname: str,
    path: Sequence[str] | None,
    before: Callable[[], None] | None = None,
    after: Callable[[ModuleType], None] | None = None,
) -> importlib.machinery.ModuleSpec | None:
    spec = importlib.machinery.PathFinder.find_spec(fullname, path)
    if spec is None or spec.loader is None:
        return None
    spec.loader = _HookedLoader(spec.loader, before, after)
    return spec


def _declare_torchvision_schemas() -> None:
    from mmdefect.compat.torchvision_schemas import declare_missing_schemas

    declare_missing_schemas()


def _mend(module: ModuleType) -> None:
    ours, function = _AFTER[module.__name__]
    getattr(importlib.import_module(ours), function)(module)


def install() -> None:
    """Put the finder on ``sys.meta_path`` once, and mend what is loaded already.

    Example:
        >>> install()
        >>> install()
        >>> sum(isinstance(finder, CompatFinder) for finder in sys.meta_path)
        1
    """
    if not any(isinstance(finder, CompatFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, CompatFinder())
    # MMDetection's own tools import the runner before the config imports mmdefect.
    for name in _AFTER:
        if name in sys.modules:
            _mend(sys.modules[name])
