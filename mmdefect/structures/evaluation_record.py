"""What the writer and the readers of ``evaluation.json`` agree on."""

from __future__ import annotations

__all__ = ['EVALUATION_FORMAT', 'EVALUATION_MIN_SCORE']

# Value of the key `format`; another number, another meaning of the keys.
EVALUATION_FORMAT = 'mmdefect-evaluation/2'
# Lowest score of the detections that the file holds; the metrics in it know no such limit.
EVALUATION_MIN_SCORE = 0.01
