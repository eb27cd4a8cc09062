"""An environment that holds SAHI beside the packages of this one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / '.venv-sahi'
# SAHI itself asks for opencv-python, which overwrites opencv-python-headless.
NEEDS = ('click', 'fire', 'requests', 'shapely', 'tqdm')


def use_sahi_environment() -> None:
    """Go on in ``.venv-sahi``; make it first where it is missing."""
    if importlib.util.find_spec('sahi') is not None:
        return
    python = FOLDER / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    if not (FOLDER / '.ready').is_file():
        _make(python)
    os.execv(str(python), [str(python), *sys.argv])


def _make(python: Path) -> None:
    print(f'making {FOLDER} with the newest SAHI', file=sys.stderr)
    venv.create(FOLDER, clear=True, with_pip=False)
    inside = sysconfig.get_path('purelib', vars={'base': str(FOLDER), 'platbase': str(FOLDER)})
    packages = sysconfig.get_path('purelib')
    # Not a plain path, so that editable packages are found there too.
    Path(inside, 'base.pth').write_text(f'import site; site.addsitedir({packages!r})\n')
    install = [sys.executable, '-m', 'pip', '--python', str(python), 'install', '-q']
    subprocess.run([*install, '--no-deps', '--upgrade', 'sahi'], check=True, stdout=sys.stderr)
    subprocess.run([*install, *NEEDS], check=True, stdout=sys.stderr)
    (FOLDER / '.ready').touch()
