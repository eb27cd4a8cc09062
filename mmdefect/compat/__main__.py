"""``python -m mmdefect.compat SCRIPT.py ARGS``: run an upstream script on a wheel-only install.

Several of MMDetection's scripts import models or ops before they read the config that would
import mmdefect. Here mmdefect is imported first, then the script runs as ``__main__``.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import mmdefect  # noqa: F401  puts the finder in place


def main() -> int:
    """Run the script named in ``sys.argv[1]`` with the remaining arguments.

    Returns:
        int: 2 without a script, else what the script exits with.
    """
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        given = sys.argv[1] if len(sys.argv) > 1 else 'nothing'
        print(
            f'usage: python -m mmdefect.compat SCRIPT.py ARGS; got {given}, '
            'which is not a file; give the path of a Python script',
            file=sys.stderr,
        )
        return 2
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name='__main__')
    return 0


if __name__ == '__main__':
    sys.exit(main())
