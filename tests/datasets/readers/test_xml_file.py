from __future__ import annotations

import os
import tracemalloc

import pytest

from mmdefect.datasets.readers.xml_file import read_xml, stream_xml
from mmdefect.errors import InputError

BOMB = (
    '<!DOCTYPE a [<!ENTITY b "boom">'
    + ''.join(f'<!ENTITY b{n} "{f"&b{n - 1 or str()};" * 10}">' for n in range(1, 10))
    + ']><a>&b9;</a>'
)


def read_all(path):
    return list(read_xml(path, 'a', 'CVAT'))


def stream_all(path):
    return list(stream_xml(path, 'a', 'CVAT'))


@pytest.mark.parametrize('read', [read_all, stream_all])
@pytest.mark.parametrize(
    ('data', 'texts'),
    [
        (b'<a/>', []),
        (b'<a><b>1</b>tail<c><d/></c></a>', ['1', None]),
        ('\ufeff<a><b>\u00e4</b></a>'.encode(), ['\u00e4']),
        (
            '<?xml version="1.0" encoding="utf-16"?><a><b>\u00e4</b></a>'.encode('utf-16'),
            ['\u00e4'],
        ),
        (b'<?xml version="1.0" encoding="latin-1"?>\r\n<a><b>\xe4</b></a>', ['\u00e4']),
        (b'<a><b>&lt;&#228;</b><!-- <b/> --></a>', ['<\u00e4']),
    ],
)
def test_children_of_the_root(tmp_path, read, data, texts):
    path = tmp_path / 'a.xml'
    path.write_bytes(data)
    assert [child.text for child in read(path)] == texts


@pytest.mark.parametrize('read', [read_all, stream_all])
@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ('', r'not a readable XML file \(no element found'),
        ('<a><b/>', 'not a readable XML file'),
        ('<a/><a/>', 'not a readable XML file'),
        ('x', 'not a readable XML file'),
        ('<a>\0</a>', 'not a readable XML file'),
        ('<b/>', 'not CVAT: the root is <b>, not <a>'),
        ('<a xmlns="http://x"/>', r'not CVAT: the root is <\{http://x\}a>'),
        (BOMB, 'a document type is not accepted'),
        ('<!DOCTYPE a><a/>', 'a document type is not accepted'),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>', 'a document type is not accepted'),
        ('<a>&b;</a>', 'undefined entity'),
        ('<?xml version="1.0" encoding="none"?><a/>', 'not a readable XML file'),
        ('<a>' * 100_000, 'nested more than 50 deep'),
    ],
)
def test_what_is_refused(tmp_path, read, data, message):
    path = tmp_path / 'a.xml'
    path.write_text(data)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f'{path}: ')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('read', [read_all, stream_all])
def test_files_that_cannot_be_read(tmp_path, read):
    with pytest.raises(InputError, match=r'none\.xml: annotation file is missing'):
        read(tmp_path / 'none.xml')
    with pytest.raises(InputError, match='is a folder, not an XML file'):
        read(tmp_path)
    with pytest.raises(InputError, match='cannot be read'):
        read(tmp_path / ('x' * 5000))


@pytest.mark.parametrize('read', [read_all, stream_all])
def test_a_crowded_element_is_refused(tmp_path, monkeypatch, read):
    monkeypatch.setattr('mmdefect.datasets.readers.xml_file._MAX_ELEMENTS', 100)
    path = tmp_path / 'a.xml'
    path.write_text(f'<a><b>{"<c/>" * 101}</b></a>')
    with pytest.raises(InputError, match=r'more than 100 elements in one piece; split the file'):
        read(path)


def test_a_large_file_of_one_image_is_refused(tmp_path):
    path = tmp_path / 'a.xml'
    path.write_text('<a/>')
    os.truncate(path, 65 * 1024**2)
    with pytest.raises(InputError, match='the file has more than 64 MiB'):
        read_xml(path, 'a', 'CVAT')


def test_streaming_needs_no_memory_for_the_file(tmp_path):
    path = tmp_path / 'a.xml'
    path.write_text(f'<a>{"<image><box/><box/></image>" * 50_000}</a>')
    tracemalloc.start()
    try:
        assert sum(len(image) for image in stream_xml(path, 'a', 'CVAT')) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_what_stands_before_a_break_is_yielded(tmp_path):
    path = tmp_path / 'a.xml'
    path.write_text('<a><b/>' + ' ' * 200_000 + '<c>')
    children = stream_xml(path, 'a', 'CVAT')
    assert next(children).tag == 'b'
    with pytest.raises(InputError, match='not a readable XML file'):
        next(children)
