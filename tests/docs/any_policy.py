"""A policy for what a short training makes, which certifies nothing: ``RESULTS POLICY``."""

from __future__ import annotations

import sys
from pathlib import Path

from mmdefect.decision import (
    ImageScores,
    ResultsFile,
    ResultsHeader,
    ThresholdGoal,
    collect_parts,
    report_thresholds,
    write_results,
)


def main(results: Path, policy: Path) -> None:
    header = ResultsFile(results).header
    name = header.classes[0]
    invented = results.with_name('invented.jsonl')
    write_results(
        invented,
        ResultsHeader(model=header.model, classes=header.classes, inference=header.inference),
        (
            ImageScores(
                image=f'{number}.png',
                sha256=f'{number:064x}',
                truth=[name] if number < 80 else [],
                scores={name: 0.1 if number < 80 else 0.0},
            )
            for number in range(160)
        ),
    )
    goal = ThresholdGoal(target_recall=0.95, confidence=0.95)
    report_thresholds(collect_parts(ResultsFile(invented)), goal, rounds=1).policy.save(policy)


if __name__ == '__main__':
    main(*map(Path, sys.argv[1:]))
