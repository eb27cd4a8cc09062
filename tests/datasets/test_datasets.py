from __future__ import annotations

import subprocess
import sys

import pytest

import mmdefect.datasets


def test_import_is_light():
    code = (
        'import sys, mmdefect.datasets, mmdefect.datasets.synthetic; '
        "print(sorted({'torch', 'mmengine', 'mmdet', 'mmcv'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


@pytest.mark.parametrize('name', mmdefect.datasets.__all__)
def test_public_names_exist(name):
    assert getattr(mmdefect.datasets, name).__doc__


def test_unknown_name():
    with pytest.raises(AttributeError, match='no attribute'):
        mmdefect.datasets.NoSuchThing  # noqa: B018
