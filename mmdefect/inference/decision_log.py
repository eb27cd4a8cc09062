"""The decisions of an inspection as they are made, one JSON object per line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from mmdefect.errors import InputError
from mmdefect.fileio import replacing
from mmdefect.inference.part_decision import PartDecision

__all__ = ['DECISIONS_FORMAT', 'DecisionLog']

DECISIONS_FORMAT = 'mmdefect-decisions/1'


class DecisionLog:
    """Write ``decisions.jsonl``: a first line that names model and policy, then a part a line.

    Decisions follow from results and policy, so the file is begun anew each time, with what
    results of earlier runs say; then parts are added as they are decided.

    Args:
        path (str | Path): The file; one that is there is replaced in one step.
        model (str): SHA-256 of the checkpoint.
        policy (str): SHA-256 of the policy file.
        decided (Iterable[PartDecision]): Decisions from earlier results.

    Attributes:
        before (frozenset[str]): Lines of the file that was replaced.

    Raises:
        InputError: It cannot be written, or is a file of another kind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'decisions.jsonl'
        >>> with DecisionLog(path, '0' * 64, '1' * 64, []) as log:
        ...     log.append(PartDecision('p1', 'PASS', '', None, 0.1, None, ()))
        >>> [json.loads(line).get('part') for line in path.open(encoding='utf-8')]
        [None, 'p1']
    """

    def __init__(
        self, path: str | Path, model: str, policy: str, decided: Iterable[PartDecision]
    ) -> None:
        self.path = Path(path)
        self.before = self._lines_before()
        header = {'format': DECISIONS_FORMAT, 'model': model, 'policy': policy}
        with replacing(self.path) as part, part.open('w', encoding='utf-8', newline='\n') as file:
            file.write(json.dumps(header) + '\n')
            file.writelines(decision.line() + '\n' for decision in decided)
        self._file: TextIO = self.path.open('a', encoding='utf-8', newline='\n')

    def __enter__(self) -> DecisionLog:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Flush it to the disk and close it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def append(self, decision: PartDecision) -> None:
        """Write one decision.

        Args:
            decision (PartDecision): The decision.

        Raises:
            InputError: The file cannot be written.
        """
        try:
            self._file.write(decision.line() + '\n')
            self._file.flush()
        except OSError as error:
            raise InputError(
                f'{self.path}: cannot be written ({error.strerror or error}); free some space and '
                'run the same command again'
            ) from error

    def _lines_before(self) -> frozenset[str]:
        if not self.path.exists():
            return frozenset()
        try:
            first, *lines = self.path.read_text(encoding='utf-8').split('\n')
            ours = json.loads(first)['format'] == DECISIONS_FORMAT
        except (OSError, ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise InputError(f'{self.path}: holds something else already; choose another --out')
        return frozenset(lines)
