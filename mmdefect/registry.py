"""Registries of mmdefect, scope ``mmdefect``, children of MMEngine's root registries.

A config says ``type='mmdefect.DefectDataset'``; MMEngine then imports this module by itself.
"""

from __future__ import annotations

from mmdefect.compat.stack import require_stack

require_stack()

from mmengine import registry as root  # noqa: E402  after the check, which says what is missing

__all__ = [
    'DATASETS', 'DATA_SAMPLERS', 'FUNCTIONS', 'HOOKS', 'LOOPS', 'METRICS', 'MODELS',
    'MODEL_WRAPPERS', 'OPTIM_WRAPPERS', 'OPTIM_WRAPPER_CONSTRUCTORS', 'READERS', 'TASK_UTILS',
    'TRANSFORMS', 'VISBACKENDS',
]  # fmt: skip

# Annotation formats, each read into the same records: `reader=` of DefectDataset.
READERS = root.Registry(
    'mmdefect reader', scope='mmdefect', locations=['mmdefect.datasets.readers']
)
# Data sets.
DATASETS = root.Registry(
    'dataset',
    parent=root.DATASETS,
    scope='mmdefect',
    locations=[
        'mmdefect.datasets.defect_dataset',
        'mmdefect.datasets.multi_view_dataset',
        'mmdefect.datasets.tiled_dataset',
    ],
)
# Which items come in which order.
DATA_SAMPLERS = root.Registry(
    'data sampler',
    parent=root.DATA_SAMPLERS,
    scope='mmdefect',
    locations=['mmdefect.datasets.samplers'],
)
# Functions named in a config: `collate_fn` of a loader.
FUNCTIONS = root.Registry(
    'function', parent=root.FUNCTIONS, scope='mmdefect', locations=['mmdefect.datasets.collate']
)
# Steps of a data pipeline.
TRANSFORMS = root.Registry(
    'transform',
    parent=root.TRANSFORMS,
    scope='mmdefect',
    locations=['mmdefect.datasets.transforms'],
)
# Metrics of an evaluator.
METRICS = root.Registry(
    'metric',
    parent=root.METRICS,
    scope='mmdefect',
    locations=[
        'mmdefect.evaluation.calibration_metric',
        'mmdefect.evaluation.defect_metric',
        'mmdefect.evaluation.multi_view_metric',
        'mmdefect.evaluation.part_metric',
    ],
)
# Parts of a detector.
MODELS = root.Registry(
    'model',
    parent=root.MODELS,
    scope='mmdefect',
    locations=[
        'mmdefect.models',
        'mmdefect.inference.tiled_classifier',
        'mmdefect.inference.tiled_detector',
    ],
)
# What heads build besides layers: anchor generators, assigners, coders.
TASK_UTILS = root.Registry(
    'task util',
    parent=root.TASK_UTILS,
    scope='mmdefect',
    locations=[
        'mmdefect.models.anchors',
        'mmdefect.models.assigners',
        'mmdefect.models.coders',
    ],
)
# What happens around the training loop.
HOOKS = root.Registry(
    'hook', parent=root.HOOKS, scope='mmdefect', locations=['mmdefect.engine.hooks']
)
# Training loops.
LOOPS = root.Registry(
    'loop', parent=root.LOOPS, scope='mmdefect', locations=['mmdefect.engine.loops']
)
# Wrappers around models: several processes.
MODEL_WRAPPERS = root.Registry(
    'model_wrapper',
    parent=root.MODEL_WRAPPERS,
    scope='mmdefect',
    locations=['mmdefect.engine.model_wrappers'],
)
# Wrappers around optimisers: precision, accumulation, clipping.
OPTIM_WRAPPERS = root.Registry(
    'optimizer wrapper',
    parent=root.OPTIM_WRAPPERS,
    scope='mmdefect',
    locations=['mmdefect.engine.optim_wrappers'],
)
# Which weights an optimiser gets, with which options.
OPTIM_WRAPPER_CONSTRUCTORS = root.Registry(
    'optimizer wrapper constructor',
    parent=root.OPTIM_WRAPPER_CONSTRUCTORS,
    scope='mmdefect',
    locations=['mmdefect.engine.optim_wrappers'],
)
# Where curves go: TensorBoard, MLflow, Weights & Biases.
VISBACKENDS = root.Registry(
    'vis_backend',
    parent=root.VISBACKENDS,
    scope='mmdefect',
    locations=['mmdefect.engine.tracking'],
)
