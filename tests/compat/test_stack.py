from __future__ import annotations

from importlib import metadata

import pytest

from mmdefect.compat import stack
from mmdefect.compat.stack import installed_stack, require_stack

ONEDL = {
    'onedl-mmengine': '0.10.12', 'onedl-mmcv': '2.3.6', 'onedl-mmdetection': '3.5.1',
    'onedl-mmpretrain': '1.3.6',
}  # fmt: skip
ORIGINAL = {'mmengine': '0.10.7', 'mmcv-lite': '2.1.0', 'mmdet': '3.3.0', 'mmpretrain': '1.2.0'}
COMPILED = {'mmengine-lite': '0.10.7', 'mmcv': '2.1.0', 'mmdet': '3.3.0', 'mmpretrain': '1.2.0'}


@pytest.fixture
def install(monkeypatch):
    """``install(distributions)``: pretend that exactly these are installed."""

    def pretend(distributions):
        def version(name):
            if name not in distributions:
                raise metadata.PackageNotFoundError(name)
            return distributions[name]

        monkeypatch.setattr(stack.metadata, 'version', version)

    return pretend


@pytest.mark.parametrize(
    ('distributions', 'name', 'errors', 'notes'),
    [
        (ONEDL, 'onedl', [], []),
        (ORIGINAL, 'openmmlab', [], []),
        (COMPILED, 'openmmlab', [], []),
        ({}, None, ["no OpenMMLab stack is installed; pip install 'mmdefect[onedl]'"], []),
        (
            {key: ONEDL[key] for key in ONEDL if key != 'onedl-mmcv'}, 'onedl',
            ["onedl-mmcv is not installed; pip install 'mmdefect[onedl]'"], [],
        ),
        (
            {'mmengine': '0.10.7'}, 'openmmlab',
            ['mmcv-lite is not installed', 'mmdet is not installed',
             "mmpretrain is not installed; pip install 'mmdefect[openmmlab]'"], [],
        ),
        (
            {**ONEDL, 'onedl-mmdetection': '3.4.9'}, 'onedl',
            ["onedl-mmdetection 3.4.9 is older than 3.5.0; pip install 'mmdefect[onedl]'"], [],
        ),
        ({**ORIGINAL, 'mmcv-lite': '1.7.2'}, 'openmmlab', ['mmcv-lite 1.7.2 is older'], []),
        ({**ORIGINAL, 'mmdet': '3.2.0rc1'}, 'openmmlab', ['mmdet 3.2.0rc1 is older'], []),
        (
            {**ONEDL, 'onedl-mmcv': '2.4.0+cpu'}, 'onedl', [],
            ['onedl-mmcv 2.4.0+cpu is newer than the tested 2.3.6'],
        ),
        ({**ONEDL, 'onedl-mmcv': '2.3.6+cpu'}, 'onedl', [], []),
        ({**ONEDL, 'onedl-mmcv': '2.3.10'}, 'onedl', [], ['2.3.10 is newer']),
        ({**ONEDL, **ORIGINAL}, 'onedl', ['onedl and openmmlab are installed side by side'], []),
        ({**ONEDL, 'mmdet': '3.3.0'}, 'onedl', ['side by side'], []),
    ],
)  # fmt: skip
def test_installed_stack(install, distributions, name, errors, notes):
    install(distributions)
    found, versions, found_errors, found_notes = installed_stack()
    assert found == name
    assert list(versions) == ['mmengine', 'mmcv', 'mmdet', 'mmpretrain']
    assert len(found_errors) == len(errors)
    assert all(part in line for part, line in zip(errors, found_errors, strict=True))
    assert len(found_notes) == len(notes)
    assert all(part in line for part, line in zip(notes, found_notes, strict=True))
    if errors:
        with pytest.raises(ImportError, match='^mmdefect: ') as caught:
            require_stack()
        assert all(line in str(caught.value) for line in found_errors)
    elif notes:
        with pytest.warns(UserWarning, match='newer than the tested'):
            assert require_stack() == name
    else:
        assert require_stack() == name


def test_here():
    name, versions, errors, _ = installed_stack()
    assert name in ('onedl', 'openmmlab')
    assert all(versions.values())
    assert not errors


def test_registry_names_what_is_missing(run_python):
    code = (
        'from mmdefect.compat import stack\n'
        'stack._version = lambda names: None\n'
        'import mmdefect.cli, mmdefect.datasets.synthetic\n'
        'try:\n'
        '    import mmdefect.registry\n'
        'except ImportError as error:\n'
        '    print(error)\n'
    )
    done = run_python('-c', code)
    assert "no OpenMMLab stack is installed; pip install 'mmdefect[onedl]'" in done.stdout
