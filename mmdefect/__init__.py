"""mmdefect: few-label defect detection inside the OpenMMLab stack.

Importing the package loads neither torch nor OpenMMLab. It only puts a lazy finder on
``sys.meta_path``, so that a wheel-only OpenMMLab install runs (see :mod:`mmdefect.compat`).
"""

from __future__ import annotations

from mmdefect._version import __version__
from mmdefect.compat.finder import install as _install_finder

__all__ = ['__version__']

_install_finder()
