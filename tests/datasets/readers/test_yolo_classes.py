from __future__ import annotations

import time

import pytest

from mmdefect.datasets.readers.yolo_classes import find_class_names, read_class_names
from mmdefect.errors import InputError


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ('name', 'content', 'names'),
    [
        ('data.yaml', 'names: [chip, rust]', {0: 'chip', 1: 'rust'}),
        ('data.yml', 'nc: 2\nnames:\n  1: rust\n  0: chip\n', {0: 'chip', 1: 'rust'}),
        ('data.yaml', 'path: x\nnames:\n- chip\n- 7\n- "no"', {0: 'chip', 1: '7', 2: 'no'}),
        ('data.yaml', 'names: {0: a, 3: b}', {0: 'a', 3: 'b'}),
        ('classes.txt', 'chip\r\nrolled-in scale \n\n', {0: 'chip', 1: 'rolled-in scale'}),
        ('obj.names', '\ufeffRost\nRiß', {0: 'Rost', 1: 'Riß'}),
    ],
)
def test_class_lists(tmp_path, name, content, names):
    assert read_class_names(write(tmp_path, name, content)) == names


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('data.yaml', 'names: [a, a]', "class 1, 'a', stands twice"),
        ('data.yaml', 'names: {0: a, 0: b}', 'a key of the mapping in line 1 stands twice'),
        ('data.yaml', 'names: {0: a, 00: b}', 'a key of the mapping in line 1 stands twice'),
        ('data.yaml', "names: {0: a, '0': b}", "class 0, 'b', stands twice"),
        ('data.yaml', 'names: [a, no]', 'name of class 1 is False; quote a text'),
        ('data.yaml', 'names: [a, null]', 'name of class 1 is None'),
        ('data.yaml', 'names: [a, [b]]', r"name of class 1 is \['b'\]"),
        ('data.yaml', 'names: [a, "\\ud800"]', 'name of class 1 is|not a readable YAML'),
        ('data.yaml', 'names: [' + 'a, ' * 60_000 + ']', 'more than 50000 entries'),
        ('data.yaml', 'names: ' + '[' * 21 + ']' * 21, 'nested more than 20 deep'),
        ('data.yaml', 'names: {a: 0}', "class number 'a' must be a whole number"),
        ('data.yaml', 'names: {-1: a}', 'class number -1 must be'),
        ('data.yaml', 'names: {true: a}', 'class number True must be'),
        ('data.yaml', 'names: {9999999999: a}', 'class number 9999999999 must be'),
        ('data.yaml', 'names: rust', "must be a list or a mapping, got 'rust'"),
        ('data.yaml', 'names: []', 'no class names'),
        ('data.yaml', 'nc: 3\nnames: [a]', 'nc is 3 but there are 1 names'),
        ('data.yaml', 'nc: 3', 'no key "names"'),
        ('data.yaml', '[1]', 'no key "names"'),
        ('data.yaml', '', 'no key "names"'),
        ('data.yaml', 'names: [a', 'not a readable YAML file'),
        ('data.yaml', '[' * 50_000, 'not a readable YAML file'),
        ('data.yaml', 'a: &a [x]\nnames: [*a, *a]', r'an alias \(\*name\) is not accepted'),
        ('data.yaml', 'names: !!python/object/apply:os.getcwd []', 'not a readable YAML file'),
        ('data.yaml', 'names: [2001-99-99]', 'not a readable YAML file'),
        ('data.yaml', 'names: [' + '9' * 5000 + ']', 'not a readable YAML file'),
        ('data.yaml', b'names: [\xff]', 'class file is not UTF-8 text'),
        ('data.yaml', b'names: [a]\n#' + b' ' * 300_000, 'has more than 256 KiB'),
        ('classes.txt', '', 'no class names'),
        ('classes.txt', 'a\n\nb', 'line 2 is empty'),
        ('classes.txt', 'a\nb\na', "class 2, 'a', stands twice"),
        ('classes.txt', 'a\0b', 'name of class 0 is'),
        ('classes.txt', 'a\n' * 200_000, 'has more than 256 KiB'),
    ],
)
def test_bad_class_lists(tmp_path, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(InputError, match=message) as caught:
        read_class_names(path)
    assert str(caught.value).startswith(str(path))
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    'content',
    [
        'names: {' + ', '.join(f'{i}: c{i}' for i in range(15_000)) + '}',
        'names: [' + ', '.join(f'c{i}' for i in range(25_000)) + ']',
        'names:\n' + ''.join(f'- c{i}\n' for i in range(25_000)),
    ],
)
def test_the_largest_lists_are_read_in_seconds(tmp_path, content):
    start = time.perf_counter()
    assert len(read_class_names(write(tmp_path, 'data.yaml', content))) >= 15_000
    assert time.perf_counter() - start < 20


def test_class_lists_are_found_and_must_agree(tmp_path):
    data = write(tmp_path, 'neu.yaml', 'names: [a, b]')
    other = write(tmp_path, 'compose.yaml', 'services: &x {a: *x}')
    listed = write(tmp_path, 'labels/classes.txt', 'a\nb')
    files = [other, data, listed]
    assert find_class_names(tmp_path, files) == ({0: 'a', 1: 'b'}, data)
    write(tmp_path, 'labels/classes.txt', 'b\na')
    with pytest.raises(InputError, match=r'classes\.txt: its class names are not those of .*neu'):
        find_class_names(tmp_path, files)
    with pytest.raises(InputError, match='no class names; add classes'):
        find_class_names(tmp_path, [other])
