"""Registered back ends that follow a training: TensorBoard, MLflow, Weights & Biases."""

from __future__ import annotations

from mmdefect.engine.tracking.mlflow_backend import MLflowVisBackend
from mmdefect.engine.tracking.tensorboard_backend import TensorboardVisBackend
from mmdefect.engine.tracking.wandb_backend import WandbVisBackend

__all__ = ['MLflowVisBackend', 'TensorboardVisBackend', 'WandbVisBackend']
