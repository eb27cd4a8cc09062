from __future__ import annotations

import pytest

from mmdefect.datasets.readers import BaseReader
from mmdefect.errors import InputError


class Troubled(BaseReader):
    """A reader that finds nothing but problems."""

    def read(self):
        for number in range(20):
            try:
                raise InputError(f'a.txt, line {number}: no number')
            except InputError as error:
                self.refuse(error)
        return iter(())


def test_problems_are_raised_or_listed():
    with pytest.raises(InputError, match=r"a\.txt, line 0: no number \(on_error='drop' leaves"):
        list(Troubled('a'))
    reader = Troubled('a', 'drop')
    assert list(reader) == []
    assert [str(problem) for problem in reader.problems[:2]] == [
        'a.txt, line 0: no number', 'a.txt, line 1: no number',
    ]  # fmt: skip
    list(reader)
    assert len(reader.problems) == 20, 'each iteration counts anew'


def test_the_list_of_problems_is_bounded(monkeypatch):
    monkeypatch.setattr('mmdefect.datasets.readers.base._MAX_PROBLEMS', 10)
    reader = Troubled('labels', 'drop')
    with pytest.raises(InputError, match='labels: more than 10 problems; check that the source'):
        list(reader)
    assert len(reader.problems) == 10
