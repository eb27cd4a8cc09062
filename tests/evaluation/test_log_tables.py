from __future__ import annotations

import pytest

from mmdefect.evaluation.analysis import analyse_images
from mmdefect.evaluation.log_tables import log_text

BOX = (0, 0, 10, 10)


def lines_of(images, classes):
    return log_text(analyse_images(images, len(classes), 100), classes).splitlines()


def cells(line):
    return [cell.strip() for cell in line.strip('│┃').replace('┃', '│').split('│')]


def test_tables(image_result):
    found = image_result([BOX, (20, 0, 30, 10)], [0, 1], [BOX], [0], [0.9])
    lines = lines_of([found, found, image_result()], ['rust', 'chip'])
    rows = {cells(line)[0]: cells(line)[1:] for line in lines if line.startswith('│')}
    assert rows['rust'] == ['0', '0', '0', '0', '0', '0']  # of the second table
    first = [cells(line) for line in lines if line.startswith('│')][:3]
    assert first[0] == ['rust', '2', *['1.000'] * 8]
    assert first[1] == ['chip', '2', *['0.000'] * 4, '-', '0.000', '0.000', '-']
    assert first[2] == ['all', '4', *['0.500'] * 4, '1.000', '0.500', '0.667', '1.000']
    assert rows['all'] == ['0', '0', '0', '0', '0', '2']
    assert rows['AP50 lost, all scores'] == ['0.000'] * 5 + ['0.500']
    text = '\n'.join(lines)
    assert 'prevalence 0.667, recall 1.000 (2 with defects), specificity 1.000 (1 good)' in text
    assert 'False alarms per good image: 0.000' in text
    assert 'a place to start, not a calibrated threshold' in text


@pytest.mark.parametrize('name', ['[red]rust[/red]', 'a' * 150, 'défaut 裂纹'])
def test_fits_and_shows_names_as_they_are(image_result, name):
    alarms = image_result([BOX] * 99, [0] * 99, [BOX] * 99, [1] * 99, [0.9] * 99)
    lines = lines_of([alarms] * 12, [name, 'chip'])
    assert max(map(len, lines)) <= 100
    assert name[:5] in '\n'.join(lines)


def test_says_when_flagging_may_be_chance(image_result):
    bad = image_result([BOX], [0], [BOX], [0], [0.9])
    alarm = image_result(found=[BOX], found_labels=[0], scores=[0.9])
    warning = 'may be no better than chance'
    assert warning in '\n'.join(lines_of([bad] * 20 + [alarm] * 5, ['rust']))
    assert warning not in '\n'.join(lines_of([bad] * 20 + [image_result()] * 20, ['rust']))
    assert warning not in '\n'.join(lines_of([bad], ['rust']))


def test_no_score_is_praised_where_nothing_is_found(image_result):
    missed, wrong = image_result([BOX], [0]), image_result([BOX], [0], [BOX], [1], [0.9])
    for images in ([missed], [missed, wrong]):
        text = '\n'.join(lines_of(images, ['rust', 'chip']))
        assert 'highest F1' not in text
        assert 'No detection is right, whatever its score: the numbers are those of' in text


def test_nothing(image_result):
    for images in ([], [image_result()]):
        text = '\n'.join(lines_of(images, ['rust']))
        assert 'nan' not in text and 'prevalence' in text
