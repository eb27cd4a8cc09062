from __future__ import annotations

from pathlib import Path

SCRIPT = """
import sys
print(__name__)
print(*sys.argv[1:])
print(sys.path[0])
import beside
import mmcv.ops
from mmcv import _ext
print(beside.VALUE)
sys.exit(int(sys.argv[1]))
"""


def test_runs_a_script_as_main(run_python, tmp_path):
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    (tmp_path / 'beside.py').write_text('VALUE = 42')
    done = run_python('-W', 'ignore', '-m', 'mmdefect.compat', script, '3', '--flag', 'a b')
    assert done.returncode == 3, done.stderr
    name, arguments, path, value = done.stdout.splitlines()[-4:]
    assert (name, arguments, value) == ('__main__', '3 --flag a b', '42')
    assert Path(path) == tmp_path.resolve()


def test_no_script(run_python, tmp_path):
    for arguments in ((), ('absent.py',), (tmp_path,)):
        done = run_python('-m', 'mmdefect.compat', *arguments)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith('usage: python -m mmdefect.compat SCRIPT.py ARGS')
        assert str(arguments[0] if arguments else 'nothing') in line


def test_a_failing_script_fails(run_python, tmp_path):
    script = tmp_path / 'script.py'
    script.write_text('raise RuntimeError("mine")')
    done = run_python('-m', 'mmdefect.compat', script)
    assert done.returncode == 1
    assert 'RuntimeError: mine' in done.stderr
