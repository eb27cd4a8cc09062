"""What makes a wheel-only OpenMMLab install run.

* :mod:`~mmdefect.compat.finder` waits on ``sys.meta_path`` for a few imports and mends each.
* :mod:`~mmdefect.compat.mmcv_ext` stands in for ``mmcv._ext`` when mmcv has no compiled ops.
* :mod:`~mmdefect.compat.mmcv_nms` lets mmcv's NMS take the faster implementation, call by call.
* :mod:`~mmdefect.compat.torchvision_schemas` lets ``import torchvision`` succeed when its
  compiled library does not fit the installed torch.
* :mod:`~mmdefect.compat.checkpoints` loads checkpoints without executing what is inside.
* :mod:`~mmdefect.compat.plain_numpy` and :mod:`~mmdefect.compat.embedded_config` are its rules
  for arrays and for config texts.
* :mod:`~mmdefect.compat.upstream_loading` teaches upstream's inferencer and scripts our loader.
* :mod:`~mmdefect.compat.stack` says which OpenMMLab stack is installed.
* ``python -m mmdefect.compat SCRIPT.py ARGS`` runs an upstream script with all of this in place.
"""
