"""The drill data set as written: files, labels, geometry, repeatability."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdefect.datasets.synthetic import DRILL_CLASSES, MIN_VISIBLE, write_drill
from mmdefect.errors import InputError

PARTS = {'train': 6, 'val': 2, 'test': 2, 'unlabeled': 3}
FEW = {'train': 1, 'val': 0, 'test': 0, 'unlabeled': 1}
FILES = ('train', 'val', 'test', 'unlabeled', 'unlabeled_truth')


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def _load(folder: Path, name: str) -> dict:
    return json.loads((folder / f'{name}.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='module', params=['easy', 'real'])
def written(request, tmp_path_factory):
    """A small data set of each level and its summary."""
    out = tmp_path_factory.mktemp(request.param)
    return out, write_drill(out, request.param, parts=PARTS)


def test_same_seed_same_bytes_whatever_the_threads(tmp_path):
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        write_drill(tmp_path / 'a', 'real', seed=3, parts=FEW)
        cv2.setNumThreads(4)
        write_drill(tmp_path / 'b', 'real', seed=3, parts=FEW)
    finally:
        cv2.setNumThreads(before)
    write_drill(tmp_path / 'c', 'real', seed=4, parts=FEW)
    digests = [_digest(tmp_path / name) for name in 'abc']
    assert digests[0] == digests[1] != digests[2]


def test_a_part_does_not_depend_on_the_number_of_other_splits(tmp_path):
    write_drill(tmp_path / 'a', parts=FEW)
    write_drill(tmp_path / 'b', parts={**FEW, 'val': 1})
    name = 'images/unlabeled/unlabeled_0000_v0.jpg'
    assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()


def test_coco_files_are_valid(written):
    from pycocotools.coco import COCO

    out, _ = written
    for name in FILES:
        document = _load(out, name)
        assert [c['name'] for c in document['categories']] == list(DRILL_CLASSES)
        assert [c['id'] for c in document['categories']] == [1, 2, 3, 4, 5]
        annotations = document['annotations']
        assert [a['id'] for a in annotations] == list(range(1, len(annotations) + 1))
        coco = COCO(str(out / f'{name}.json'))
        assert len(coco.getImgIds()) == 8 * PARTS[name.removesuffix('_truth')]
        for image in document['images']:
            pixels = cv2.imread(str(out / image['file_name']))
            assert pixels.shape == (image['height'], image['width'], 3) == (160, 160, 3)
        for a in annotations:
            x, y, w, h = a['bbox']
            assert min(x, y) >= 0 and min(w, h) >= 1 and max(x + w, y + h) <= 160
            assert 0 < a['area'] <= w * h
            assert a['iscrowd'] == 0
            assert MIN_VISIBLE <= a['visible'] <= 1
            assert a['truncated'] == (a['visible'] < 1)


def test_unlabelled_split_hides_its_boxes(written):
    out, summary = written
    assert _load(out, 'unlabeled')['annotations'] == []
    truth = _load(out, 'unlabeled_truth')
    assert truth['images'] == _load(out, 'unlabeled')['images']
    assert len(truth['annotations']) == summary.splits['unlabeled'].boxes > 0


def test_splits_share_no_part_and_hold_good_parts(written):
    out, summary = written
    parts = [{i['part_id'] for i in _load(out, name)['images']} for name in FILES[:4]]
    assert len(set.union(*parts)) == sum(map(len, parts)) == sum(PARTS.values())
    assert summary.splits['train'].good_parts == 2
    assert 0.3 <= summary.good_share <= 0.4
    for name in FILES[:3]:
        document = _load(out, name)
        views = {}
        for image in document['images']:
            views.setdefault(image['part_id'], []).append(image['view_id'])
        assert all(v == list(range(8)) for v in views.values())


def test_every_defect_is_whole_in_two_to_four_views(written):
    out, _ = written
    for name in ('train', 'val', 'test', 'unlabeled_truth'):
        whole = {}
        for a in _load(out, name)['annotations']:
            whole.setdefault(a['defect_id'], []).append(not a['truncated'])
        assert whole
        assert all(2 <= sum(flags) <= 4 for flags in whole.values())


def test_homography_maps_view_pixels_to_the_same_part_pixels(written):
    """Box centres of one defect in opposite-turned views agree, and so do the images."""
    out, _ = written
    document = _load(out, 'train')
    images = {i['id']: i for i in document['images']}
    by_defect = {}
    for a in document['annotations']:
        if not a['truncated']:
            by_defect.setdefault(a['defect_id'], []).append(a)
    for views in by_defect.values():
        # Boxes of views 90 degrees apart enclose the same part rectangle.
        for a in views:
            for b in views:
                va, vb = (images[x['image_id']]['view_id'] for x in (a, b))
                if (vb - va) % 8 == 2:
                    ca, cb = (
                        np.array(images[x['image_id']]['part_homography'])
                        @ [
                            x['bbox'][0] + (x['bbox'][2] - 1) / 2,
                            x['bbox'][1] + (x['bbox'][3] - 1) / 2,
                            1,
                        ]
                        for x in (a, b)
                    )
                    assert np.abs(ca - cb).max() <= 1.5
                    assert np.allclose(a['bbox'][2:], b['bbox'][:1:-1], atol=2)
    first, second = document['images'][0], document['images'][1]
    between = np.linalg.inv(first['part_homography']) @ np.array(second['part_homography'])
    left, right = (
        cv2.imread(str(out / image['file_name'])).astype(np.float32) for image in (first, second)
    )
    seen = cv2.warpAffine(
        left,
        between[:2],
        (160, 160),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=(-1, -1, -1),
    )
    # The two shots differ in exposure, noise and resampling, not in what they show.
    inside = cv2.erode((seen.min(axis=2) >= 0).astype(np.uint8), np.ones((5, 5))).astype(bool)
    same = np.corrcoef(
        cv2.GaussianBlur(seen, (0, 0), 1.5)[inside].ravel(),
        cv2.GaussianBlur(right, (0, 0), 1.5)[inside].ravel(),
    )[0, 1]
    assert inside.mean() > 0.3
    assert same > 0.9


def test_second_run_keeps_the_data(tmp_path):
    first = write_drill(tmp_path, parts=FEW)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
    second = write_drill(tmp_path, parts=FEW)
    assert (first.kept, second.kept) == (False, True)
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*')}
    assert (first.splits, first.classes) == (second.splits, second.classes)
    next((tmp_path / 'images' / 'train').iterdir()).unlink()
    assert not write_drill(tmp_path, parts=FEW).kept


def test_other_settings_replace_the_data_and_leave_nothing_stale(tmp_path):
    write_drill(tmp_path / 'a', parts={**FEW, 'train': 2})
    write_drill(tmp_path / 'a', 'real', parts=FEW)
    write_drill(tmp_path / 'b', 'real', parts=FEW)
    assert _digest(tmp_path / 'a') == _digest(tmp_path / 'b')


def test_interrupted_run_leaves_no_coco_file_and_can_be_repeated(tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_drill(tmp_path / 'a', parts=FEW, progress=stop)
    assert not [p for p in (tmp_path / 'a').glob('*.json') if p.stem in FILES]
    calls = []
    write_drill(tmp_path / 'a', parts=FEW, progress=lambda *call: calls.append(call))
    write_drill(tmp_path / 'b', parts=FEW)
    assert calls == [(1, 2), (2, 2)]
    assert _digest(tmp_path / 'a') == _digest(tmp_path / 'b')


@pytest.mark.parametrize('content', ['{"images": []}', '[]', 'no json', '{"info": {}}'])
def test_foreign_coco_file_is_not_overwritten(tmp_path, content):
    (tmp_path / 'val.json').write_text(content)
    with pytest.raises(InputError, match='val.json'):
        write_drill(tmp_path, parts=FEW)
    assert (tmp_path / 'val.json').read_text() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_foreign_image_is_not_overwritten_but_other_files_may_stay(tmp_path):
    (tmp_path / 'notes.txt').write_text('keep')
    write_drill(tmp_path, parts=FEW)
    assert (tmp_path / 'notes.txt').read_text() == 'keep'
    other = tmp_path / 'other' / 'images' / 'train' / 'train_0000_v3.jpg'
    other.parent.mkdir(parents=True)
    other.write_bytes(b'mine')
    with pytest.raises(InputError, match='train_0000_v3'):
        write_drill(tmp_path / 'other', parts=FEW)
    assert other.read_bytes() == b'mine'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'level': 'eazy'}, "unknown level 'eazy'; did you mean 'easy'"),
        ({'level': 'xyz'}, 'choose one of easy, real'),
        ({'parts': {'trian': 3}}, "'trian'; did you mean 'train'"),
        ({'parts': {'val': -1}}, 'parts of val must be >= 0, got -1'),
        ({'seed': -1}, 'seed must be >= 0, got -1'),
        ({'bit_depth': 11}, 'bit_depth must be one of (8, 10, 12, 14, 16), got 11'),
    ],
)
def test_bad_arguments_are_named(tmp_path, arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        write_drill(tmp_path / 'out', **arguments)
    assert not (tmp_path / 'out').exists()


def test_a_file_in_place_of_the_folder(tmp_path):
    path = tmp_path / 'file'
    path.write_text('x')
    with pytest.raises(InputError, match='file'):
        write_drill(path, parts=FEW)


def test_no_parts_at_all(tmp_path):
    summary = write_drill(tmp_path, parts=dict.fromkeys(PARTS, 0))
    assert summary.good_share == 0
    assert _load(tmp_path, 'train')['annotations'] == _load(tmp_path, 'train')['images'] == []
    assert 'Severe_Rust' in str(summary)
    json.dumps(summary.to_dict())


def test_loads_neither_torch_nor_openmmlab():
    code = (
        'import sys, mmdefect.datasets.synthetic; '
        'sys.exit(any(m in sys.modules for m in ("torch", "mmengine", "mmcv", "mmdet")))'
    )
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, '-c', code], cwd=root).returncode == 0
