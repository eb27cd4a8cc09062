from __future__ import annotations

import gc
import json
import os

import pytest

from mmdefect.datasets.json_file import read_json
from mmdefect.errors import InputError


@pytest.mark.parametrize(
    ('data', 'content'),
    [
        (b'{"a": [1, 2.5, null, true, "x"]}', {'a': [1, 2.5, None, True, 'x']}),
        ('\ufeff{"a": "ä"}'.encode(), {'a': 'ä'}),
        ('{"a": "ä"}'.encode('utf-16'), {'a': 'ä'}),
        ('{"a": "ä"}'.encode('utf-16-be'), {'a': 'ä'}),
        (b'\r\n{"a":\r\n1}\r\n', {'a': 1}),
        (b'"\\ud83d\\ude00 \\\\ud800"', '\U0001f600 \\ud800'),
        (b'"%s"' % (b'7' * 400), '7' * 400),
        (b'[0.%s]' % (b'3' * 400), [1 / 3]),
        (b'[%s]' % (b'9' * 308), [int('9' * 308)]),
        (b'[1E308, 1e-999, "1e999"]', [1e308, 0.0, '1e999']),
        (b'[{"a": 1}, {"a": 2}]', [{'a': 1}, {'a': 2}]),
    ],
)
def test_strict_json(tmp_path, data, content):
    path = tmp_path / 'a.json'
    path.write_bytes(data)
    assert read_json(path, 'COCO') == content


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', r'not a JSON file \(the file is empty\); give a COCO JSON file'),
        (b'{"a": [1, 2', r"not a JSON file \(Expecting ',' delimiter: line 1"),
        (b'{"a": 1} x', 'Extra data'),
        (b'[' * 100_000, 'nested too deep'),
        (b'{"a":' * 100_000, 'nested too deep'),
        (b'[' * 51 + b']' * 51, 'not strict JSON: nested more than 50 deep'),
        (b'["]]", ' * 60 + b'1' + b']' * 60, 'nested more than 50 deep'),
        (b'{"\\\\": {"\\"]}": ' * 30 + b'1' + b'}' * 60, 'nested more than 50 deep'),
        (('{"a": ' * 60 + '1' + '}' * 60).encode('utf-16'), 'nested more than 50 deep'),
        (b'{"a": "\xff\xfe"}', 'not in UTF-8 or UTF-16: invalid start byte at byte 7'),
        ('{"a": 1}'.encode('utf-16')[:-1], 'not in UTF-8 or UTF-16: truncated data'),
        (b'{"a": 1, "b": {"c": 2, "c": 3}}', 'not strict JSON: name "c" stands twice'),
        (b'{"a\\nb": 1, "a\\nb": 1}', r'name "a\\nb" stands twice'),
        (b'[NaN]', 'not strict JSON: NaN is no JSON number'),
        (b'[Infinity]', 'not strict JSON: Infinity is no JSON number'),
        (b'[-Infinity]', 'not strict JSON: -Infinity is no JSON number'),
        (b'[%s]' % (b'9' * 309), 'not strict JSON: a number with 309 digits; correct it'),
        (b'[%s]' % (b'9' * 5000), 'not strict JSON: a number with 5000 digits; correct it'),
        (b'[1e999]', 'not strict JSON: the number 1e999 is beyond what a float can hold'),
        (b'[-1E+9999]', 'the number -1E.9999 is beyond'),
        (b'[%s.5]' % (b'9' * 309), 'is beyond what a float can hold'),
        ('[1e999]'.encode('utf-16'), 'the number 1e999 is beyond'),
        (b'"\xed\xa0\x80"', 'not in UTF-8 or UTF-16'),
        (b'{"\\ud800": 1}', 'half a surrogate pair'),
        (b'["\\uDC00\\ud83d"]', 'half a surrogate pair'),
        (b'["\n"]', 'Invalid control character'),
        (b'\0\0\0\0', 'not'),
    ],
)
def test_what_is_refused(tmp_path, data, message):
    path = tmp_path / 'a.json'
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_json(path, 'COCO')
    assert str(caught.value).startswith(f'{path}: ')
    assert '\n' not in str(caught.value)
    assert gc.isenabled()


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r'none\.json: annotation file is missing'):
        read_json(tmp_path / 'none.json', 'COCO')
    with pytest.raises(InputError, match='is a folder, not a COCO file'):
        read_json(tmp_path, 'COCO')
    with pytest.raises(InputError, match='cannot be read'):
        read_json(tmp_path / ('x' * 5000), 'COCO')


def test_large_files_are_refused_by_their_size(tmp_path):
    path = tmp_path / 'a.json'
    path.write_bytes(b'[]')
    os.truncate(path, 3 * 1024**3)
    message = r'the file has 3,072 MiB, and 1,024 MiB is the most for one COCO file; split it'
    with pytest.raises(InputError, match=message):
        read_json(path, 'COCO')


def test_deep_but_sane_nesting_is_read(tmp_path):
    content = ']}' * 100
    for _ in range(24):
        content = {'a"]': [content, {}]}
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content))
    assert read_json(path, 'COCO') == content


def test_the_collector_stays_as_it_was(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('[]')
    gc.disable()
    try:
        read_json(path, 'COCO')
        assert not gc.isenabled()
    finally:
        gc.enable()
