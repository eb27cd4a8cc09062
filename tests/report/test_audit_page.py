"""The page of an audit: what it holds, its pictures, and how it behaves in a browser."""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.audit import Finding, data_sources, run_audit
from mmdefect.errors import InputError
from mmdefect.report.audit_page import write_audit
from mmdefect.report.audit_pictures import choose_findings

COUNT = 'return document.querySelectorAll(arguments[0]).length'
CLICK = (
    'const found = [...document.querySelectorAll(arguments[0])].filter('
    '(node) => node.textContent.includes(arguments[1])); found[0].click(); return found.length'
)
HEADS = (
    'return [...document.querySelectorAll("#items figcaption b")].map((node) => node.textContent)'
)
NASTY = '</script><b>&"\''


def write_set(folder: Path) -> Path:
    """One split with a box drawn twice, one cut in two, a damaged file, and a nasty class."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    boxes = {
        0: [[20, 20, 30, 30], [20, 20, 30, 30]],
        1: [[10, 20, 40, 30], [51, 20, 40, 30]],
        2: [],
        3: [[200, 150, 2, 40]],
    }
    images, annotations = [], []
    for number, rows in boxes.items():
        name = f'{number}.png'
        Image.fromarray(generator.integers(0, 256, (240, 320, 3), np.uint8)).save(folder / name)
        images.append({'id': number, 'file_name': name, 'width': 320, 'height': 240})
        annotations += [
            {'id': 10 * number + at, 'image_id': number, 'category_id': number % 2, 'bbox': box}
            for at, box in enumerate(rows)
        ]
    (folder / '2.png').write_bytes(b'none')
    categories = [{'id': 0, 'name': NASTY}, {'id': 1, 'name': 'rust'}]
    content = {'images': images, 'annotations': annotations, 'categories': categories}
    (folder / 'set.json').write_text(json.dumps(content))
    return folder


@pytest.fixture
def audit(tmp_path):
    return run_audit(data_sources([write_set(tmp_path / 'set')]), 'set')


def read(page: Path) -> dict:
    text = page.read_text(encoding='utf-8')
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_page_holds_findings_and_pictures(audit, tmp_path):
    page = write_audit(audit, tmp_path / 'a.html')
    text, data = page.read_text(encoding='utf-8'), read(page)
    kinds = {kind['key']: kind['count'] for kind in data['kinds']}
    assert kinds == {
        'unreadable-image': 1, 'same-box-twice': 1, 'cut-box': 1, 'one-pixel-box': 1,
        'touching-boxes': 1, 'tiny-class': 2,
    }  # fmt: skip
    items = {item['kind']: item for item in data['items']}
    cut = items['cut-box']
    assert cut['where'] == '1.png, annotations 10, 11' and cut['classes'] == [1]
    (part,) = cut['parts']
    assert part['boxes'] == [[10, 20, 50, 50, 1], [51, 20, 91, 50, 1]] and part['score'] is None
    assert part['view'][0] <= 10 and part['view'][2] >= 91
    assert part['crop'].startswith('data:image/webp;base64,')
    picture = data['pictures'][part['picture']]
    assert picture['name'] == '1.png' and picture['picture'].startswith('data:image/webp')
    assert (picture['width'], picture['height']) == (320, 240)
    assert items['unreadable-image']['parts'] == []
    assert '4 images, 5 boxes' in text and NASTY not in text
    size = float(re.search(r'This file: ([\d.]+) MB', text)[1])
    assert size == pytest.approx(page.stat().st_size / 1e6, abs=0.011)


def test_page_asks_for_nothing_outside(audit, tmp_path):
    text = write_audit(audit, tmp_path / 'a.html').read_text(encoding='utf-8')
    assert "default-src 'none'" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)


def test_without_pictures(audit, tmp_path):
    data = read(write_audit(audit, tmp_path / 'a.html', with_pictures=False))
    assert {picture['picture'] for picture in data['pictures']} == {None}
    assert all(part['crop'] is None for item in data['items'] for part in item['parts'])


def test_cap_and_totals(audit, tmp_path):
    page = write_audit(audit, tmp_path / 'a.html', most=0)
    data = read(page)
    assert data['items'] == [] and data['pictures'] == []
    assert sum(kind['count'] for kind in data['kinds']) == audit.problems + audit.notes
    with pytest.raises(ValueError, match='limit must be 0 or more'):
        write_audit(audit, tmp_path / 'a.html', most=-1)


def test_file_of_another_size_is_shown_whole(tmp_path):
    folder = write_set(tmp_path / 'set')
    Image.new('L', (100, 50), 90).save(folder / '3.png')
    audit = run_audit(data_sources([folder]), 'set')
    data = read(write_audit(audit, tmp_path / 'a.html'))
    thin = next(item for item in data['items'] if item['kind'] == 'one-pixel-box')
    assert thin['parts'][0]['crop'] is None
    assert data['pictures'][thin['parts'][0]['picture']]['picture']


def test_12_bit_images_are_not_dark(tmp_path):
    folder = write_set(tmp_path / 'set')
    for name in ('0.png', '1.png', '3.png'):
        Image.fromarray(np.full((240, 320), 4000, np.uint16)).save(folder / name)
    audit = run_audit(data_sources([folder]), 'set')
    assert audit.files.bit_depth == 12
    data = read(write_audit(audit, tmp_path / 'a.html'))
    uri = data['pictures'][0]['picture']
    shown = Image.open(BytesIO(base64.b64decode(uri.partition(',')[2])))
    assert np.asarray(shown).mean() == pytest.approx(4000 / 4095 * 255, abs=3)


def write_noise(path):
    noise = np.random.default_rng(int(path.stem)).integers(0, 256, (40, 40), np.uint8)
    Image.fromarray(noise).save(path)


def test_nothing_found(tmp_path):
    content = {'images': [], 'annotations': [], 'categories': [{'id': 1, 'name': 'rust'}]}
    for number in range(24):
        write_noise(tmp_path / f'{number}.png')
        content['images'].append({'id': number, 'file_name': f'{number}.png'})
        box = {'id': number, 'image_id': number, 'category_id': 1, 'bbox': [9, 9, 12, 10]}
        content['annotations'].append(box)
    (tmp_path / 'all.json').write_text(json.dumps(content))
    audit = run_audit(data_sources([tmp_path / 'all.json']), 'steel')
    assert audit.problems == audit.notes == 0
    text = write_audit(audit, tmp_path / 'a.html').read_text(encoding='utf-8')
    assert 'All checks passed' in text


def test_no_box(tmp_path):
    folder = tmp_path / 'good'
    folder.mkdir()
    write_noise(folder / '0.png')
    audit = run_audit(data_sources([folder]), 'good')
    assert list(audit.found.kinds()) == ['no-box']
    assert audit.problems == 1
    text = write_audit(audit, tmp_path / 'a.html').read_text(encoding='utf-8')
    assert 'Nothing is labelled' in text and 'There is no box and no class' in text


def test_bad_target(audit, tmp_path):
    with pytest.raises(InputError, match='is a folder'):
        write_audit(audit, tmp_path)


def test_chosen_by_turns_of_class_and_split():
    def of(number, split, *classes):
        return Finding('cut-box', str(number), '', split, classes)

    rows = [of(n, 'train', 'rust') for n in range(5)]
    rows += [of(5, 'val', 'rust'), of(6, 'train', 'chip'), of(7, 'train', 'chip')]
    chosen = [int(item.where) for item in choose_findings(rows, 5)]
    assert chosen == [0, 1, 5, 6, 7]
    assert choose_findings(rows, 0) == []
    assert choose_findings(rows, 100) == rows


@pytest.fixture
def page(audit, tmp_path) -> Path:
    return write_audit(audit, tmp_path / 'audit.html')


@pytest.mark.slow
@pytest.mark.parametrize('width', [1280, 390])
@pytest.mark.parametrize('dark', [False, True])
def test_fits_and_shows_its_pictures(browser, page, width, dark):
    browser.view(width, 900, dark)
    browser.open(page)
    assert browser.run('return document.documentElement.scrollWidth') <= width
    widths = browser.run(
        'return Promise.all([...document.querySelectorAll("#items img")].map('
        '(img) => { img.loading = "eager"; return img.decode().then(() => img.naturalWidth) }))'
    )
    assert len(widths) >= 4 and min(widths) > 20
    assert browser.console() == []
    assert set(browser.requests()) == {page.resolve().as_uri()}


@pytest.mark.slow
def test_filters(browser, page):
    browser.view(1280, 900)
    browser.open(page)
    cards = browser.run(COUNT, '#items .item')
    assert cards == len(browser.run(HEADS)) >= 6
    assert browser.run(CLICK, '#kinds button', 'cut in pieces') == 1
    assert browser.run(HEADS) == ['One defect cut in pieces']
    assert '1 shown of 1 found' in browser.run(
        'return document.getElementById("item-count").textContent'
    )
    assert browser.run(COUNT, '#items .item rect:not(.under):not(.window)') == 4
    browser.run(CLICK, '#kinds button', 'All kinds')
    browser.run(CLICK, '#item-classes button', 'rust')
    assert 'Same box twice' not in browser.run(HEADS)
    # From the overview straight to a kind.
    browser.run(CLICK, '#item-classes button', 'rust')
    browser.run(CLICK, '.overview .name', 'Same box twice')
    assert browser.run(HEADS) == ['Same box twice']
    assert browser.console() == []


@pytest.mark.slow
def test_enlarges_and_steps(browser, page):
    browser.view(1280, 900)
    browser.open(page)
    browser.run('document.querySelector("#items .item button:not(.plain)").click()')
    assert browser.run('return document.getElementById("zoom").open') is True
    assert browser.run(COUNT, '#zoom-body .frame') >= 1
    first = browser.run('return document.getElementById("zoom-place").textContent')
    browser.run('document.getElementById("zoom-next").click()')
    assert browser.run('return document.getElementById("zoom-place").textContent') != first
    assert browser.run(COUNT, '#zoom-body .tag') >= 1
    assert browser.console() == []
