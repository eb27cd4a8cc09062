from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mmdefect.errors import InputError
from mmdefect.report import write_report

BOX = [10, 10, 30, 30]
NASTY = '</script><b>&"\''


def entry(path: str, truth: list, found: list) -> dict:
    return {'path': path, 'width': 60, 'height': 40, 'ground_truth': truth, 'detections': found}


@pytest.fixture
def work_dir(tmp_path: Path, write_run, write_image) -> Path:
    """Two classes, one with a name that tries to break out, three images, one of them missing."""
    folder = tmp_path / 'run'
    paths = [write_image(folder / f'steel & <{index}>.png') for index in range(2)]
    images = [
        entry(str(paths[0]), [[*BOX, 0, 0], [35, 5, 55, 20, 1, 0]], [[*BOX, 0, 0.9]]),
        entry(str(paths[1]), [], [[*BOX, 1, 0.4]]),
        entry(f'none/{NASTY}.png', [[*BOX, 1, 1]], []),
    ]
    write_run(folder, ['rust', NASTY], images)
    log = folder / '20260101_000000' / 'vis_data'
    log.mkdir(parents=True)
    lines = [
        {'loss': 2 / s, 'loss_cls': 1 / s, 'lr': 0.1, 'epoch': 1, 'step': s} for s in (1, 2, 3)
    ]
    lines.append({'mmdefect/AP50': 0.4, 'mmdefect/AP50/rust': 0.3, 'step': 1})
    (log / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    (folder / 'summary.json').write_text(json.dumps({'seconds': {'train': 1.5}, NASTY: NASTY}))
    (folder / 'config.py').write_text(f'gamma = 2.0  # {NASTY}\n')
    return folder


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.names.append(tag)
        self.links += [value for name, value in attrs if name in ('src', 'href', 'srcset', 'data')]


def test_text_is_escaped_and_nothing_is_linked(work_dir: Path) -> None:
    page = write_report(work_dir).read_text(encoding='utf-8')
    assert '</script><b>' not in page
    tags = Tags(page)
    assert tags.names.count('script') == 14
    assert [link for link in tags.links if not link.startswith('#')] == ['data:,']
    assert not re.search(r'https?://(?!www\.w3\.org/2000/svg)', page)
    data = data_of(page)
    assert data['classes'] == ['rust', NASTY]
    # The last two parts of the path, and this name holds a slash of its own.
    names = [picture['name'] for picture in data['pictures']]
    assert names[-1].endswith('script><b>&"\'.png')


def test_parts_of_several_views(work_dir: Path, add_parts) -> None:
    assert 'Per part' not in write_report(work_dir).read_text(encoding='utf-8')
    content = add_parts(work_dir, 'nms')
    page = write_report(work_dir).read_text(encoding='utf-8')
    found = re.search(r'<section id="parts">(.*?)</section>', page, re.DOTALL)[1]
    section = re.sub('<[^>]+>', ' ', found)
    assert '2 parts, the boxes of their views merged' in section and ' nms ' in section
    counts = content['score_table']
    at = round(100 * content['operating']['threshold'])
    for kind in ('defect', 'good'):
        flagged = f'{counts[f"flagged_{kind}"][at]} of {counts[f"images_{kind}"]}'
        assert flagged in section
    assert counts['flagged_defect'][at] == 1


def test_content(work_dir: Path) -> None:
    path = write_report(work_dir)
    page = path.read_text(encoding='utf-8')
    assert path == work_dir / 'report.html'
    size = float(re.search(r'This file: ([\d.]+) MB', page)[1])
    assert size == pytest.approx(path.stat().st_size / 1e6, abs=0.006)
    assert 'epoch_3.pth' in page and '2026-01-02 03:04 UTC' in page and 'gamma = 2.0' in page
    assert '1 of 3 pictures could not be shown' in page
    data = data_of(page)
    (run,) = data['runs']
    assert run['table']['truth'] == [1, 1]
    assert run['log']['val'] == {'mmdefect/AP50': [[1, 0.4]]}
    assert run['log']['perClass'] == {'AP50': {'rust': [[1, 0.3]]}}
    problems = [item['problem'] for item in data['pictures']]
    assert problems == [None, None, 'image file not found']


def test_items_say_where_to_look(work_dir: Path) -> None:
    content = json.loads((work_dir / 'evaluation.json').read_text(encoding='utf-8'))
    start = content['operating']['threshold']
    page = write_report(work_dir).read_text(encoding='utf-8')
    data = data_of(page)
    assert data['itemScores'] == [start, start]
    missed = data['items'][0]
    assert (missed['kind'], missed['label'], missed['score']) == ('missed', 1, None)
    assert missed['view'] == [16, 0, 60, 39]
    assert data['crops'][missed['crop']].startswith('data:image/webp;base64,')
    # The detection on the good image has a score of 0.4; it is wrong only where it counts.
    assert len(data['items']) == (2 if start <= 0.4 else 1)
    assert '1 missed defect and' in page


def test_limit_of_items_leaves_the_worst(tmp_path: Path, write_run) -> None:
    images = [
        entry(f'{index}.png', [[*BOX, 0, 0]], [[5, 5, 9, 9, 0, 0.9]]) for index in range(5)
    ] + [entry(f'hit {index}.png', [[*BOX, 0, 0]], [[*BOX, 0, 0.5]]) for index in range(9)]
    write_run(tmp_path, ['rust'], images)
    page = write_report(tmp_path, items=3).read_text(encoding='utf-8')
    data = data_of(page)
    assert [item['kind'] for item in data['items']] == ['missed', 'missed', 'background']
    assert 'shown are 2 and 1' in page
    assert 'id="misses"' not in write_report(tmp_path, items=0).read_text(encoding='utf-8')


def test_items_of_listed_images_only_are_said(tmp_path: Path, write_run) -> None:
    images = [entry('a.png', [[*BOX, 0, 0]], [])]
    write_run(tmp_path, ['rust'], images, {'images_total': 5})
    assert 'on the 1 image whose boxes' in write_report(tmp_path).read_text(encoding='utf-8')
    write_run(tmp_path, ['rust'], images)
    assert 'whose boxes' not in write_report(tmp_path).read_text(encoding='utf-8')


def test_pictures_are_embedded_once(tmp_path: Path, write_run, write_image) -> None:
    path = str(write_image(tmp_path / 'a.png', (600, 400)))
    # Two boxes near each other need two crops of one picture; the same box twice needs one.
    truth = [[*BOX, 0, 0], [*BOX, 1, 0], [300, 200, 330, 230, 0, 0]]
    write_run(tmp_path, ['a', 'b'], [{**entry(path, truth, []), 'width': 600, 'height': 400}])
    page = write_report(tmp_path).read_text(encoding='utf-8')
    data = data_of(page)
    assert len(data['items']) == 3 and len(data['pictures']) == 1 and len(data['crops']) == 2
    assert page.count('data:image/webp') == 3


def test_progress_counts_the_pictures(work_dir: Path) -> None:
    seen = []

    def track(iterable, description):
        seen.append((description, len(iterable)))
        return iterable

    write_report(work_dir, track=track)
    assert seen == [('pictures', 3)]


@pytest.mark.parametrize(('key', 'lowest'), [({}, 0.01), ({'min_score': 0.05}, 0.05)])
def test_slider_and_boxes_start_at_the_lowest_score(
    tmp_path: Path, write_run, key, lowest: float
) -> None:
    found = [[*BOX, 0, 0.02], [*BOX, 0, 0.05]]
    content = write_run(tmp_path, ['rust'], [entry('a.png', [[*BOX, 0, 0]], found)], key)
    content['score_table']['lowest'] = lowest
    (tmp_path / 'evaluation.json').write_text(json.dumps(content))
    page = write_report(tmp_path).read_text(encoding='utf-8')
    assert page.count(f'min="{lowest:.2f}" max="1"') == 2
    data = data_of(page)
    assert all(row[5] >= lowest for row in data['pictures'][0]['found'])
    assert len(data['pictures'][0]['found']) == (2 if lowest < 0.05 else 1)


def test_limit_of_detections_is_per_image_and_class(work_dir: Path) -> None:
    page = write_report(work_dir).read_text(encoding='utf-8')
    assert '100 boxes per image and class at most' in page


def test_same_input_same_data(work_dir: Path, tmp_path: Path) -> None:
    first = write_report(work_dir, tmp_path / 'new' / 'a.html').read_text(encoding='utf-8')
    second = write_report(work_dir, tmp_path / 'b.html').read_text(encoding='utf-8')
    assert data_of(first) == data_of(second)


@pytest.mark.parametrize(
    ('images', 'said'),
    [
        ([], 'evaluation.json holds no images'),
        ([entry('a.png', [], [])], 'no ground truth box'),
        ([entry('a.png', [], [[*BOX, 0, 0.9]])], 'no ground truth box'),
        ([entry('a.png', [[*BOX, 0, 0]], [])], 'No training log'),
        ([entry('a.png', [[10, 10, 11, 11, 0, 0]], [])], 'No training log'),
    ],
    ids=['no image', 'one good image', 'no ground truth', 'no detection', 'one pixel'],
)
def test_one_class_and_little_else(tmp_path: Path, write_run, images: list, said: str) -> None:
    write_run(tmp_path, ['rust'], images)
    page = write_report(tmp_path).read_text(encoding='utf-8')
    assert said in page
    assert 'class="weakest"' not in page


def test_what_mending_would_add_is_said(tmp_path: Path, write_run) -> None:
    # A loose box on every other defect: moved, it would find it.
    loose = [[20, 10, 40, 30, 0, 0.9]]
    images = [
        entry(f'{index}.png', [[*BOX, 0, 0]], loose if index % 2 else [[*BOX, 0, 0.9]])
        for index in range(4)
    ]
    content = write_run(tmp_path, ['rust'], images)
    page = write_report(tmp_path).read_text(encoding='utf-8')
    gain = content['error_types']['localisation']['dAP50']
    assert gain > 0.1
    assert f'mending all would add <b>{gain:.3f}</b> AP50' in page
    assert 'mending all would add nothing' in page


def test_broken_summary_is_said(work_dir: Path) -> None:
    (work_dir / 'summary.json').write_text('{"a": ')
    assert 'summary.json cannot be read' in write_report(work_dir).read_text(encoding='utf-8')


def test_bad_input(work_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no such work directory'):
        write_report(tmp_path / 'none')
    with pytest.raises(InputError, match='is a folder'):
        write_report(work_dir, tmp_path)
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot be written'):
        write_report(work_dir, tmp_path / 'file' / 'a.html')
    with pytest.raises(ValueError, match='limit must be 0 or more'):
        write_report(work_dir, items=-1)
    assert not (work_dir / 'report.html').exists()
