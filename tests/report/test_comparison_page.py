from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmdefect.errors import InputError
from mmdefect.report import write_report

BOX = [10, 10, 30, 30]
FAR = [40, 20, 55, 35]
NASTY = '</script><b>&"\''


def entry(path: object, truth: list, found: list) -> dict:
    return {
        'path': str(path),
        'width': 60,
        'height': 40,
        'ground_truth': truth,
        'detections': found,
    }


@pytest.fixture
def runs(tmp_path: Path, write_run, write_image) -> tuple[Path, Path]:
    """A finds the first class on two images, B finds the second one and less of the first."""
    paths = [write_image(tmp_path / f'{index}.png', seed=index) for index in range(3)]
    truth = [[*BOX, 0, 0], [*FAR, 1, 0]]
    first, second = tmp_path / 'first', tmp_path / 'second'
    write_run(first, ['rust', NASTY], [
        entry(paths[0], truth, [[*BOX, 0, 0.9]]), entry(paths[1], truth, [[*BOX, 0, 0.8]]),
        entry(paths[2], [], []),
    ])  # fmt: skip
    write_run(second, ['rust', NASTY], [
        entry(paths[0], truth, [[*BOX, 0, 0.9], [*FAR, 1, 0.7]]), entry(paths[1], truth, []),
        entry(paths[2], [], [[*BOX, 0, 0.8]]),
    ])  # fmt: skip
    for folder, losses in ((first, (2, 1)), (second, (3, 2))):
        log = folder / '20260101_000000' / 'vis_data'
        log.mkdir(parents=True)
        lines = [
            {'loss': loss, 'lr': 0.1, 'epoch': 1, 'step': at} for at, loss in enumerate(losses)
        ]
        lines.append({'mmdefect/AP50': 0.4, 'mmdefect/AP50/rust': 0.3, 'step': 1})
        (log / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    return first, second


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_content(runs: tuple[Path, Path]) -> None:
    path = write_report(runs[0], compare=runs[1])
    assert path == runs[0] / 'compare.html'
    page = path.read_text(encoding='utf-8')
    assert '<h1>first against second</h1>' in page
    assert '</script><b>' not in page
    assert not re.search(r'https?://(?!www\.w3\.org/2000/svg)', page)
    data = data_of(page)
    assert [run['letter'] for run in data['runs']] == ['A', 'B']
    assert [run['log']['train']['loss'][0][1] for run in data['runs']] == [2, 3]
    finders = [(item['finder'], item['label'], item['score']) for item in data['items']]
    assert finders == [(0, 0, 0.8), (1, 1, 0.7)]
    first = data['pictures'][data['items'][0]['picture']]
    assert [len(found) for found in first['runs']] == [1, 0]
    assert 'Only A finds 1, only B finds 1 box,' in page
    # AP50 of rust: 1 for A; B finds one of two.
    rust = re.search(r'</i>rust</th>.*?</tr>', page, re.DOTALL)[0]
    values = re.findall(r'>([-+±]?\d\.\d{3})<', rust)
    assert values[0] == '1.000' and float(values[1]) < 0.6
    assert float(values[2]) == pytest.approx(float(values[0]) - float(values[1]), abs=0.0011)
    tiles = re.findall(r'class="value">.*?>([-+±]\d\.\d{3})<', page)
    assert len(tiles) == 4
    # The one for browsers without scripts; nothing differs.
    assert page.count('class="note"') == 1


def test_swapped_runs_swap_the_signs(runs: tuple[Path, Path]) -> None:
    pages = [
        write_report(one, compare=other).read_text(encoding='utf-8')
        for one, other in (runs, runs[::-1])
    ]
    signs = [re.findall(r'class="difference[^>]*>([-+±])', page) for page in pages]
    swap = {'+': '-', '-': '+', '±': '±'}
    assert sorted(map(swap.get, signs[0])) == sorted(signs[1])
    assert '+' in signs[0] and '-' in signs[0]


def test_same_run_twice(runs: tuple[Path, Path]) -> None:
    page = write_report(runs[0], compare=runs[0]).read_text(encoding='utf-8')
    assert 'Both find the same boxes.' in page
    assert '±0.000' in page and '+0.' not in page
    assert 'id="items"' not in page


def test_differences_are_said(runs: tuple[Path, Path], write_run, tmp_path: Path) -> None:
    content = json.loads((runs[1] / 'evaluation.json').read_text(encoding='utf-8'))
    write_run(runs[1], ['rust', NASTY, 'dent'], content['images'][:2])
    page = write_report(runs[0], compare=runs[1]).read_text(encoding='utf-8')
    assert 'Only B has the class dent: left out.' in page
    assert 'A was evaluated on 3 images, B on 2: compared are the 2 listed for both.' in page
    assert data_of(page)['classes'] == ['rust', NASTY]


def test_changed_labels_are_said(runs: tuple[Path, Path], write_run) -> None:
    content = json.loads((runs[1] / 'evaluation.json').read_text(encoding='utf-8'))
    content['images'][1]['ground_truth'] = content['images'][1]['ground_truth'][:1]
    write_run(runs[1], ['rust', NASTY], content['images'])
    page = write_report(runs[0], compare=runs[1]).read_text(encoding='utf-8')
    assert '1 ground-truth box stands in one evaluation only' in page


def test_limit_of_items(runs: tuple[Path, Path]) -> None:
    page = write_report(runs[0], compare=runs[1], items=1).read_text(encoding='utf-8')
    assert len(data_of(page)['items']) == 1
    assert '1 of them shown' in page
    none = write_report(runs[0], compare=runs[1], items=0).read_text(encoding='utf-8')
    assert data_of(none)['items'] == [] and data_of(none)['pictures'] == []


def test_runs_of_the_same_name_are_told_apart(tmp_path: Path, write_run) -> None:
    images = [entry('a.png', [[*BOX, 0, 0]], [])]
    for folder in ('x/test', 'y/test'):
        write_run(tmp_path / folder, ['rust'], images)
    page = write_report(tmp_path / 'x/test', compare=tmp_path / 'y/test').read_text('utf-8')
    assert '<h1>x/test against y/test</h1>' in page


def test_parts_of_several_views(runs: tuple[Path, Path], add_parts, write_run) -> None:
    add_parts(runs[0], 'nms')
    assert 'Per part' not in write_report(runs[0], compare=runs[1]).read_text('utf-8')
    contents = [add_parts(run, merge) for run, merge in zip(runs, ('nms', 'wbf'), strict=True)]
    page = write_report(runs[0], compare=runs[1]).read_text('utf-8')
    section = re.search(r'<section id="parts">(.*?)</section>', page, re.DOTALL)[1]
    rows = [re.sub('<[^>]+>', ' ', row).split() for row in section.split('<tr>')[2:]]
    for row, letter, content, merge in zip(rows, 'AB', contents, ('nms', 'wbf'), strict=True):
        recall = f'{100 * content["operating"]["recall"]:.0f}'
        assert row[:5] == [
            letter, merge, f'{content["metrics"]["AP50"]:.3f}',
            f'{content["operating"]["threshold"]:.2f}', recall,
        ]  # fmt: skip
    # On fewer images the parts are not the same.
    write_run(runs[1], ['rust', NASTY], contents[1]['images'][:2])
    page = write_report(runs[0], compare=runs[1]).read_text('utf-8')
    assert 'those per part are left out' in page and 'Per part' not in page


def test_nothing_in_common(runs: tuple[Path, Path], write_run, tmp_path: Path) -> None:
    write_run(tmp_path / 'other', ['dent'], [])
    with pytest.raises(InputError, match='no class in common'):
        write_report(runs[0], compare=tmp_path / 'other')
    write_run(tmp_path / 'other', ['rust'], [entry('z.png', [], [])])
    with pytest.raises(InputError, match='no image in common'):
        write_report(runs[0], compare=tmp_path / 'other')
    with pytest.raises(InputError, match='no such work directory'):
        write_report(runs[0], compare=tmp_path / 'none')
    assert not (runs[0] / 'compare.html').exists()


@pytest.mark.slow
@pytest.mark.parametrize(('width', 'dark'), [(1280, False), (390, True)])
def test_in_browser(browser, runs: tuple[Path, Path], width: int, dark: bool) -> None:
    page = write_report(runs[0], compare=runs[1])
    browser.view(width, 900, dark)
    browser.open(page)
    assert browser.run('return document.documentElement.scrollWidth') <= width
    count = 'return document.querySelectorAll(arguments[0]).length'
    # Two classes, two runs; the curve of a class that was never found has no point.
    assert browser.run(count, '#loss-chart path') == 2
    assert browser.run(count, '#f1-chart path') == 6
    assert browser.run(count, '#class-chart circle') == 2
    assert browser.run(count, '.error-bars .bar-row') == 12
    assert browser.run(count, '#items .item') == 2
    assert browser.run(count, '#items .frame') == 4
    browser.run('document.querySelectorAll("#item-kinds button")[2].click()')
    assert browser.run('return document.querySelector("#items b").textContent') == (
        f'{NASTY}: only B finds it'
    )
    assert browser.run(count, '#items .item') == 1
    browser.run('document.querySelector("#items button").click()')
    assert browser.run('return document.getElementById("zoom").open') is True
    assert browser.run(count, '#zoom .frame') == 2
    assert browser.console() == []
    assert set(browser.requests()) == {page.resolve().as_uri()}


@pytest.mark.slow
def test_nearly_empty_in_browser(browser, tmp_path: Path, write_run) -> None:
    for folder in ('one', 'two'):
        write_run(tmp_path / folder, ['rust'], [entry('a.png', [], [])])
    browser.open(write_report(tmp_path / 'one', compare=tmp_path / 'two'))
    assert browser.console() == []
