from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmdefect.errors import InputError
from mmdefect.report.rendering import check_target, write_page

CONTEXT = {'title': 'T', 'written': 'today', 'versions': 'none'}


def test_data_cannot_end_the_script(tmp_path: Path) -> None:
    nasty = '</script><!--&\u2028@file-size@'
    write_page(tmp_path / 'a.html', 'base.html', ['base.js'], {'x': nasty}, **CONTEXT)
    page = (tmp_path / 'a.html').read_text(encoding='utf-8')
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(data) == {'x': nasty}
    assert '<' not in data
    assert re.search(r'This file: \d+\.\d\d MB', page)


def test_text_is_escaped(tmp_path: Path) -> None:
    write_page(tmp_path / 'a.html', 'base.html', [], {}, **{**CONTEXT, 'title': '<b>&'})
    assert '<title>&lt;b&gt;&amp;' in (tmp_path / 'a.html').read_text(encoding='utf-8')


def test_numbers_that_json_lacks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='JSON'):
        write_page(tmp_path / 'a.html', 'base.html', [], {'x': float('nan')}, **CONTEXT)
    assert not (tmp_path / 'a.html').exists()


def test_a_folder_is_no_target(tmp_path: Path) -> None:
    check_target(tmp_path / 'a.html')
    with pytest.raises(InputError, match='is a folder; name a file such as'):
        check_target(tmp_path)
