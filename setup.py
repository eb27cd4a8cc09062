"""Packaging; the metadata stand in pyproject.toml.

MIM and `mim download` look for configs and tools in ``mmdefect/.mim``: they are copied there
when the package is built, and linked by nothing in a development checkout, where the folders of
the repository are used as they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM_CONTENT = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """Copy what MIM needs into the built package."""

    def run(self) -> None:
        """Build the package, then add ``mmdefect/.mim``."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'mmdefect' / '.mim'
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in MIM_CONTENT:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns('__pycache__')
                shutil.copytree(source, target / name, ignore=ignored)
            else:
                shutil.copy2(source, target / name)


setup(cmdclass={'build_py': BuildWithMim})
