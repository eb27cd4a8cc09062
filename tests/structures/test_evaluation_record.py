from __future__ import annotations

from mmdefect.report.evaluation import Evaluation
from mmdefect.structures import EVALUATION_FORMAT, EVALUATION_MIN_SCORE


def test_format_and_lowest_score() -> None:
    assert EVALUATION_FORMAT == 'mmdefect-evaluation/2'
    assert 0 < EVALUATION_MIN_SCORE <= 0.05
    assert Evaluation.model_fields['min_score'].default == EVALUATION_MIN_SCORE
