"""The arrows of the house: what a room may import, and what importing the package loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'mmdefect'
FILES = sorted(PACKAGE.rglob('*.py'))
# From top to bottom: a room imports only from rooms below it.
ROOMS = (
    'cli', 'serving', 'release', 'report', 'inference', 'engine', 'evaluation', 'models',
    'datasets', 'decision', 'drawing', 'geometry', 'structures', 'registry', 'compat', 'ops',
)  # fmt: skip
# Modules below every room but ops, which imports nothing of ours.
GROUND = ('fileio', 'errors', 'wording', '_version')
NO_TORCH = ('decision', 'drawing', 'geometry', 'structures', 'datasets/synthetic', *GROUND)
HEAVY = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain')


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _imports(path: Path) -> list[tuple[str, bool]]:
    """Absolute names imported by a file, and whether inside a function."""
    found = []

    def visit(node: ast.AST, nested: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend((alias.name, nested) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import in line {node.lineno}'
            found.append((node.module, nested))
            found.extend((f'{node.module}.{alias.name}', nested) for alias in node.names)
        inside = nested or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text(encoding='utf-8')), nested=False)
    return found


def _rooms_used(path: Path) -> set[str]:
    known = {*ROOMS, *GROUND}
    parts = [name.split('.') for name, _ in _imports(path)]
    return {part[1] for part in parts if part[0] == 'mmdefect' and part[1:] and part[1] in known}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def test_every_folder_is_a_known_room():
    rooms = {_room(path) for path in FILES} - {'__init__', '__main__'}
    assert rooms <= {*ROOMS, *GROUND}


@pytest.mark.parametrize('path', FILES, ids=_name)
def test_arrows_point_down(path):
    room, used = _room(path), _rooms_used(path)
    if room == 'ops':
        allowed = {'ops'}
    elif room in GROUND:
        allowed = set(GROUND)
    elif room in ROOMS:
        allowed = {*ROOMS[ROOMS.index(room) :], *GROUND}
    else:
        allowed = {'_version', 'compat'}
    assert used <= allowed, f'{room} imports {sorted(used - allowed)}, which lies above it'


@pytest.mark.parametrize('path', FILES, ids=_name)
def test_light_rooms_import_nothing_heavy(path):
    heavy = {name.split('.')[0] for name, _ in _imports(path)} & set(HEAVY)
    name = _name(path).removesuffix('.py')
    if name.startswith(NO_TORCH):
        assert not heavy
    elif _room(path) == 'ops':
        at_import = {name.split('.')[0] for name, nested in _imports(path) if not nested}
        assert not heavy & {'mmengine', 'mmdet', 'mmpretrain'}
        assert not at_import & {'mmcv', 'torchvision'}
    elif _room(path) == '__init__':
        assert not heavy


@pytest.mark.parametrize('path', FILES, ids=_name)
def test_no_assert_statements(path):
    tree = ast.parse(path.read_text(encoding='utf-8'))
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert not lines, f'assert in line {lines}; raise ValueError or InputError instead'


def test_no_catch_all_modules():
    names = {part.removesuffix('.py') for path in FILES for part in path.parts}
    assert not names & {'utils', 'helpers', 'misc', 'common'}


@pytest.mark.parametrize(
    'module',
    ['', '.errors', '.fileio', '.compat.stack', '.drawing', '.structures', '.datasets.synthetic',
     '.geometry', '.decision', '.evaluation.evidence', '.cli'],
)  # fmt: skip
def test_import_loads_nothing_heavy(module):
    code = (
        'import importlib, sys\n'
        f'importlib.import_module("mmdefect{module}")\n'
        f'print(*sorted(set(sys.modules) & set({HEAVY})))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
