"""Train a model: ``python tools/train.py CONFIG [--work-dir DIR] [--amp] [--resume] ...``."""

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.engine.launch import run, train

if __name__ == '__main__':
    run(train)
