from __future__ import annotations

import copy
import importlib
import importlib.machinery
import inspect
import sys
from pathlib import Path

import pytest

import mmdefect  # noqa: F401
from mmdefect.compat import finder
from mmdefect.compat.finder import CompatFinder
from mmdefect.compat.torchvision_schemas import library_error


def test_installed_once_and_first():
    finder.install()
    finder.install()
    importlib.reload(mmdefect)
    found = [entry for entry in sys.meta_path if isinstance(entry, CompatFinder)]
    assert len(found) == 1


@pytest.mark.parametrize('name', ['json', 'mmcv', 'mmcv.ops', 'torch', 'no_such_module', ''])
def test_other_imports_are_left_alone(name):
    assert CompatFinder().find_spec(name, None) is None


def test_stand_in_only_without_compiled_ops(tmp_path):
    assert CompatFinder().find_spec('mmcv._ext', [str(tmp_path)]) is not None
    compiled = tmp_path / f'_ext{importlib.machinery.EXTENSION_SUFFIXES[0]}'
    compiled.touch()
    assert CompatFinder().find_spec('mmcv._ext', [str(tmp_path)]) is None


def test_absent_packages_stay_absent(monkeypatch):
    monkeypatch.setattr(finder.importlib.machinery.PathFinder, 'find_spec', lambda *_: None)
    for name in ('torchvision', 'mmengine.runner.checkpoint'):
        assert CompatFinder().find_spec(name, None) is None


def test_hooked_modules_still_answer_tools():
    import torchvision
    from mmengine.runner import checkpoint

    for module in (torchvision, checkpoint):
        assert 'def ' in inspect.getsource(module)
        loader = module.__spec__.loader
        assert loader.is_package(module.__name__) is (module is torchvision)
        assert Path(loader.get_filename(module.__name__)).is_file()
        assert loader.get_source(module.__name__)
        assert type(copy.copy(loader)) is type(loader)
        assert not hasattr(loader, '__no_such_dunder__')
    assert importlib.util.find_spec('torchvision').origin == torchvision.__file__


@pytest.mark.skipif(library_error() is None, reason="torchvision's own library loads here")
def test_torchvision_needs_the_schemas_here(run_python):
    assert run_python('-W', 'ignore', '-c', 'import torchvision').returncode != 0


def test_torchvision_imports_after_mmdefect(run_python):
    code = (
        'import mmdefect, torch, torchvision\n'
        'from torchvision.models import resnet18\n'
        'from torchvision.transforms import functional\n'
        'assert functional.resize(torch.zeros(3, 4, 4), [2, 2]).shape == (3, 2, 2)\n'
        'try:\n'
        '    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)\n'
        '    print("works")\n'
        'except (RuntimeError, NotImplementedError) as error:\n'
        '    print("refused")\n'
    )
    done = run_python('-W', 'ignore', '-c', code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ['works' if library_error() is None else 'refused']
