from pathlib import Path

import pytest

from mmdefect.datasets.audit import KINDS

PAGE = Path(__file__).resolve().parents[3] / 'docs' / 'audit-your-data.md'


@pytest.mark.parametrize('kind', KINDS)
def test_documented_with_its_severity(kind):
    lines = PAGE.read_text(encoding='utf-8').splitlines()
    heads = [n for n, line in enumerate(lines) if line in ('| problem | from |', '| note | from |')]
    tables = {'problem': lines[heads[0] : heads[1]], 'note': lines[heads[1] :]}
    names = [line.split('|')[1] for line in tables[KINDS[kind].severity] if line.startswith('| ')]
    assert any(KINDS[kind].title in name for name in names)
