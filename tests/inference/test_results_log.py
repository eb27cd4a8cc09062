from __future__ import annotations

import os

import pytest

from mmdefect.decision import ImageScores, ResultsFile, ResultsHeader
from mmdefect.errors import InputError
from mmdefect.inference.folder_lock import locked_folder
from mmdefect.inference.results_log import ResultsLog

SHA = '0' * 64
HEADER = ResultsHeader(model=SHA, classes=['rust', 'pit'], inference={'amp': False})


def image(number, **keys):
    box = (0.0, 1.0, 2.0, 3.0, 1, 0.5)
    return ImageScores(
        image=f'ä {number}.png', sha256=f'{number:064x}', scores={'pit': 0.5},
        boxes=(box,) * number, **keys,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'results.jsonl'
    with ResultsLog(path, HEADER) as log:
        for number in range(4):
            log.append(image(number))
    return path


def test_append_and_read_again(path):
    with ResultsLog(path, HEADER) as log:
        assert list(log.images) == [f'ä {number}.png' for number in range(4)]
        assert all(found.boxes is None for found in log.images.values())
        log.append(image(4, part='p'))
        for number in range(5):
            assert len(log.boxes(f'ä {number}.png')) == number
        with pytest.raises(ValueError, match='again'):
            log.append(image(2))
    assert list(ResultsFile(path)) == [*map(image, range(4)), image(4, part='p')]


def test_whatever_a_kill_leaves(path):
    whole = path.read_bytes()
    start = whole.index(b'\n', whole.index(b'2.png')) + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        with ResultsLog(path, HEADER) as log:
            assert len(log.images) == 3
            log.append(image(3))
        assert path.read_bytes() == whole
    # A power cut can leave zeros where data were to come.
    for tail in (b'\0' * 40, b'\0' * 40 + b'\n', b'{"image": "a"'):
        path.write_bytes(whole + tail)
        with ResultsLog(path, HEADER):
            pass
        assert path.read_bytes() == whole
    path.write_bytes(HEADER.line().encode() + b'\n')
    with ResultsLog(path, HEADER) as log:
        assert not log.images


def test_empty_lines_are_passed_over(path):
    path.write_bytes(path.read_bytes().replace(b'\n', b'\n\n'))
    with ResultsLog(path, HEADER) as log:
        assert [len(log.boxes(name)) for name in log.images] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (lambda text: text.replace(SHA, 'f' * 64, 1), 'results of model ffffffffffff'),
        (lambda text: text.replace('"amp":false', '"amp":true', 1), 'made with amp=true'),
        (lambda text: text.replace('"pit":0.5', '"pit":7', 1), 'line 2'),
        (lambda text: text.replace('ä 1.png', 'ä 2.png'), "'ä 2.png' stands twice"),
        (lambda text: 'a,b\n1,2\n', 'looks like a CSV table'),
        (lambda text: '', 'results.jsonl'),
    ],
)  # fmt: skip
def test_files_that_are_refused_stay_as_they_are(path, change, reason):
    text = change(path.read_text(encoding='utf-8'))
    path.write_text(text, encoding='utf-8')
    with pytest.raises(InputError, match=reason) as error:
        ResultsLog(path, HEADER)
    assert str(path) in str(error.value)
    assert path.read_text(encoding='utf-8') == text


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no /dev/full')
def test_full_disk(path, monkeypatch):
    with ResultsLog(path, HEADER) as log, open('/dev/full', 'r+b', buffering=0) as full:
        file, log._file = log._file, full
        with pytest.raises(InputError, match='free some space and run the same command again'):
            log.append(image(7))
        log._file = file


def test_one_process_at_a_time(tmp_path):
    folder = tmp_path / 'out'
    with pytest.raises(InputError, match='another'), locked_folder(folder), locked_folder(folder):
        pass
    with locked_folder(tmp_path / 'out'):
        pass
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot be written'), locked_folder(tmp_path / 'file'):
        pass
