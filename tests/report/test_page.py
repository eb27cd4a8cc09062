from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdefect.errors import InputError
from mmdefect.report import write_report

BOX = [10, 10, 30, 30]
NASTY = '</script><b>&"\''


def evaluation(classes: list[str], images: list[dict], **changes) -> dict:
    truth = [row for item in images for row in item['ground_truth']]
    value = 0.5 if truth else None
    metrics = dict.fromkeys(('AP', 'AP50', 'AP75', 'AR'), value)
    return {
        'format': 'mmdefect-evaluation/1',
        'created': '2026-01-02T03:04:05+00:00',
        'epoch': 3,
        'checkpoint': 'epoch_3.pth',
        'config': None,
        'classes': classes,
        'max_dets': 100,
        'metrics': metrics,
        'per_class': [
            {'name': name, **metrics, 'boxes': len(truth), 'images': 1} for name in classes
        ],
        'images_total': len(images),
        'images_good': sum(not item['ground_truth'] for item in images),
        'pr_curves': [
            {'name': name, 'recall': [0, 0.5, 1], 'precision': [1, 0.5, 0],
             'score': [0.9, 0.5, None]}
            for name in classes
        ],
        'images': images,
        **changes,
    }  # fmt: skip


def entry(path: str, truth: list, found: list) -> dict:
    return {'path': path, 'width': 60, 'height': 40, 'ground_truth': truth, 'detections': found}


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    """Two classes, one with a name that tries to break out, three images, one of them missing."""
    folder = tmp_path / 'run'
    folder.mkdir()
    paths = [folder / f'steel & <{index}>.png' for index in range(2)]
    for path in paths:
        path.write_bytes(cv2.imencode('.png', np.full((40, 60, 3), 90, np.uint8))[1].tobytes())
    images = [
        entry(str(paths[0]), [[*BOX, 0, 0], [35, 5, 55, 20, 1, 0]], [[*BOX, 0, 0.9]]),
        entry(str(paths[1]), [], [[*BOX, 1, 0.4]]),
        entry(f'none/{NASTY}.png', [[*BOX, 1, 1]], []),
    ]
    save(folder, evaluation(['rust', NASTY], images))
    log = folder / '20260101_000000' / 'vis_data'
    log.mkdir(parents=True)
    lines = [
        {'loss': 2 / s, 'loss_cls': 1 / s, 'lr': 0.1, 'epoch': 1, 'step': s} for s in (1, 2, 3)
    ]
    lines.append({'mmdefect/AP50': 0.4, 'mmdefect/AP': 0.2, 'step': 1})
    (log / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    (folder / 'summary.json').write_text(json.dumps({'seconds': {'train': 1.5}, NASTY: NASTY}))
    (folder / 'config.py').write_text(f'gamma = 2.0  # {NASTY}\n')
    return folder


def save(folder: Path, value) -> None:
    (folder / 'evaluation.json').write_text(json.dumps(value), encoding='utf-8')


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
    assert tags.names.count('script') == 3
    assert tags.links == ['data:,']
    assert not re.search(r'https?://(?!www\.w3\.org/2000/svg)', page)
    data = data_of(page)
    assert data['classes'] == ['rust', NASTY]
    # The last two parts of the path, and this name holds a slash of its own.
    assert data['gallery'][-2]['name'].endswith('script><b>&"\'.png')


def test_content(work_dir: Path) -> None:
    path = write_report(work_dir)
    page = path.read_text(encoding='utf-8')
    assert path == work_dir / 'report.html'
    size = float(re.search(r'This file: ([\d.]+) MB', page)[1])
    assert size == pytest.approx(path.stat().st_size / 1e6, abs=0.006)
    assert 'epoch_3.pth' in page and '2026-01-02 03:04 UTC' in page and 'gamma = 2.0' in page
    assert '1 of 3 pictures could not be shown' in page
    data = data_of(page)
    assert data['table']['truth'] == [1, 1]
    assert data['log']['val'] == {'mmdefect/AP': [[1, 0.2]], 'mmdefect/AP50': [[1, 0.4]]}
    problems = [item['problem'] for item in data['gallery']]
    assert sorted(map(str, problems)) == ['None', 'None', 'image file not found']


@pytest.mark.parametrize(('key', 'lowest'), [({}, 0.01), ({'min_score': 0.05}, 0.05)])
def test_slider_and_boxes_start_at_the_lowest_score(tmp_path: Path, key, lowest: float) -> None:
    found = [[*BOX, 0, 0.02], [*BOX, 0, 0.05]]
    save(tmp_path, evaluation(['rust'], [entry('a.png', [[*BOX, 0, 0]], found)], **key))
    page = write_report(tmp_path).read_text(encoding='utf-8')
    assert f'min="{lowest:.2f}" max="1"' in page
    data = data_of(page)
    assert data['table']['start'] >= lowest
    assert all(row[5] >= lowest for row in data['gallery'][0]['found'])
    assert len(data['gallery'][0]['found']) == (2 if lowest < 0.05 else 1)


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
    ],
    ids=['no image', 'one good image', 'no ground truth', 'no detection'],
)
def test_one_class_and_little_else(tmp_path: Path, images: list[dict], said: str) -> None:
    save(tmp_path, evaluation(['rust'], images))
    page = write_report(tmp_path).read_text(encoding='utf-8')
    assert said in page
    assert 'class="weakest"' not in page


def test_weakest_first_and_undefined_last(tmp_path: Path) -> None:
    names = ['good', 'none', 'weak', 'mid']
    values = [0.9, None, 0.1, 0.5]
    rows = [
        {'name': name, 'AP50': value, 'AP': value, 'boxes': 0 if value is None else 3, 'images': 1}
        for name, value in zip(names, values, strict=True)
    ]
    save(tmp_path, evaluation(names, [], per_class=rows))
    page = write_report(tmp_path).read_text(encoding='utf-8')
    assert re.findall(r'<th scope="row"><i[^>]*></i>(\w+)', page) == ['weak', 'mid', 'good', 'none']
    assert page.count('>weakest<') == 1


def test_broken_summary_is_said(work_dir: Path) -> None:
    (work_dir / 'summary.json').write_text('{"a": ')
    assert 'summary.json cannot be read' in write_report(work_dir).read_text(encoding='utf-8')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (None, r'no evaluation.json in it; tools/test.py CONFIG CHECKPOINT --work-dir'),
        ('{"format": ', r'evaluation\.json: is not whole JSON'),
        ('[1]', r"format must be 'mmdefect-evaluation/1', got None"),
        ({'format': 'mmdefect-evaluation/2'}, r"got 'mmdefect-evaluation/2'"),
        ({'classes': 'rust'}, r"key 'classes'"),
        ({'min_score': -0.1}, r"key 'min_score'"),
        ({'min_score': float('nan')}, r"key 'min_score'"),
        ({'images': [entry('a.png', [[*BOX, 7, 0]], [])]}, r'image a\.png: class index .* got 7'),
        ({'images': [entry('a.png', [[1, 2, None, 4, 0, 0]], [])]}, r"'images.0.ground_truth.0.2'"),
        ({'images': [entry('a.png', [], [[1, 2, float('nan'), 4, 0, 0.5]])]}, r'detections.0.2'),
        ({'pr_curves': [{'name': 'a', 'recall': [0], 'precision': [], 'score': []}]}, 'equally'),
    ],
)  # fmt: skip
def test_bad_evaluation(tmp_path: Path, change, message: str) -> None:
    if isinstance(change, str):
        (tmp_path / 'evaluation.json').write_text(change)
    elif change is not None:
        save(tmp_path, {**evaluation(['rust'], []), **change})
    with pytest.raises(InputError, match=message) as caught:
        write_report(tmp_path)
    assert str(tmp_path) in str(caught.value) and '\n' not in str(caught.value)
    assert not (tmp_path / 'report.html').exists()


def test_bad_places(work_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='no such work directory'):
        write_report(tmp_path / 'none')
    with pytest.raises(InputError, match='is a folder'):
        write_report(work_dir, tmp_path)
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot be written'):
        write_report(work_dir, tmp_path / 'file' / 'a.html')


VISIBLE = 'return [...document.querySelectorAll("#gallery .card")].filter((c) => !c.hidden).length'


@pytest.mark.slow
def test_in_browser(browser, work_dir: Path, tmp_path: Path) -> None:
    page = write_report(work_dir)
    for width, dark in ((1280, False), (390, True)):
        browser.view(width, 900, dark)
        browser.open(page)
        assert browser.run('return document.documentElement.scrollWidth') <= width
        assert browser.run('return document.querySelectorAll("#pr-chart path").length') == 2
        assert browser.run('return document.querySelectorAll("#loss-chart path").length') == 2
        assert browser.run(VISIBLE) == 3
        pictures = (
            'img => { img.loading = "eager"; return img.decode().then(() => img.naturalWidth) }'
        )
        widths = browser.run(
            f'return Promise.all([...document.querySelectorAll("#gallery img")].map({pictures}))'
        )
        assert widths == [60, 60]
    slide = (
        'const s = document.getElementById("threshold"); s.value = arguments[0];'
        's.dispatchEvent(new Event("input")); return document.getElementById("verdict").textContent'
    )
    assert '1 of 2 defects found (50 %), 1 missed, 1 false alarm.' in browser.run(slide, 0.4)
    assert '1 of 2 defects found (50 %), 1 missed, 0 false alarms.' in browser.run(slide, 0.41)
    assert 'specificity 100 %' in browser.run(slide, 0.41)
    browser.run('document.querySelectorAll("#chips button")[0].click()')
    assert browser.run(VISIBLE) == 1
    assert browser.run('return document.querySelectorAll("#chips button")[1].textContent') == NASTY
    browser.run('document.querySelector("#gallery .card button").click()')
    assert browser.run('return document.getElementById("zoom").open') is True
    browser.screenshot(tmp_path / 'page.png')
    assert browser.console() == []
    assert set(browser.requests()) == {page.resolve().as_uri()}


@pytest.mark.slow
def test_empty_report_in_browser(browser, tmp_path: Path) -> None:
    save(tmp_path, evaluation(['rust'], [], pr_curves=[]))
    browser.open(write_report(tmp_path))
    assert browser.console() == []
