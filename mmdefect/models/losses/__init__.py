"""What the losses of our heads share."""

from __future__ import annotations

from mmdefect.models.losses.focal_config import focal_config
from mmdefect.models.losses.positives import mean_positives

__all__ = ['focal_config', 'mean_positives']
