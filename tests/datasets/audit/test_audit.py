import json

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.audit import AUDIT_FORMAT, data_sources, run_audit
from mmdefect.errors import InputError


@pytest.fixture
def broken(tmp_path):
    """A COCO set with an unreadable image, a repeated box, a box without area, and a leak."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    boxes = {0: [[5, 5, 20, 20]] * 2, 1: [[5, 5, 0, 20]], 2: [[5, 5, 20, 20]]}
    for split, ids in (('train', (0, 1, 3)), ('val', (2,))):
        images = [{'id': i, 'file_name': f'{i}.png', 'width': 64, 'height': 48} for i in ids]
        annotations = [
            {'id': n, 'image_id': i, 'category_id': 0, 'bbox': box}
            for i in ids
            for n, box in enumerate(boxes.get(i, []))
        ]
        content = {
            'images': images, 'annotations': annotations, 'categories': [{'id': 0, 'name': 'rust'}]
        }  # fmt: skip
        (tmp_path / f'{split}.json').write_text(json.dumps(content))
    for name in (0, 2):
        Image.fromarray(noise).save(tmp_path / f'{name}.png')
    Image.fromarray(noise[::-1]).save(tmp_path / '1.png')
    (tmp_path / '3.png').write_bytes(b'')
    return tmp_path


def test_finds_all_of_it(broken):
    audit = run_audit(data_sources([broken]), 'broken')
    found = {kind: audit.found.totals[kind] for kind in audit.found.kinds()}
    assert found == {
        'unusable': 1, 'unreadable-image': 1, 'leak': 1, 'same-box-twice': 1, 'touching-boxes': 1,
        'tiny-class': 1,
    }  # fmt: skip
    assert audit.problems == 4 and audit.notes == 2 and audit.whole
    assert 'width 0' in audit.found.of('unusable')[0].what


def test_without_images_no_file_is_opened(broken):
    for path in broken.glob('*.png'):
        path.unlink()
    audit = run_audit(data_sources([broken]), 'broken', check_images=False)
    assert audit.files is None
    assert audit.found.kinds() == ['unusable', 'same-box-twice', 'touching-boxes', 'tiny-class']


def test_wanted_classes_come_first(broken):
    audit = run_audit(data_sources([broken]), 'x', wanted=['chip', 'rust'], check_images=False)
    assert audit.table.classes == ['chip', 'rust']
    assert [item.what for item in audit.found.of('empty-class')] == ["no box of 'chip'"]


def test_json_is_plain_and_counts_all(broken):
    audit = run_audit(data_sources([broken]), 'broken', limit=1)
    content = json.loads(json.dumps(audit.as_dict(), allow_nan=False))
    assert content['format'] == AUDIT_FORMAT and content['problems'] == 4
    assert content['listed'] == len(content['findings']) == 6
    assert content['kinds']['leak'] == {
        'title': 'Same image in two splits', 'severity': 'problem', 'count': 1, 'classes': {}
    }  # fmt: skip
    assert content['files']['formats'] == {'PNG': 3}
    assert [split['name'] for split in content['statistics']['splits']] == ['train', 'val']


def test_progress_is_asked_for_every_pass(broken):
    steps = []

    def track(items, what, total):
        steps.append((what, total))
        return items

    run_audit(data_sources([broken]), 'broken', track=track)
    assert steps == [('reading train', None), ('reading val', None), ('image checks', 4)]


def test_nothing_readable_is_an_error(tmp_path):
    content = {'images': [], 'annotations': [], 'categories': []}
    (tmp_path / 'a.json').write_text(json.dumps(content))
    with pytest.raises(InputError, match='x: no image can be read'):
        run_audit(data_sources([tmp_path / 'a.json']), 'x')


def test_same_result_with_any_number_of_threads(broken):
    one, four = (run_audit(data_sources([broken]), 'x', workers=n).as_dict() for n in (1, 4))
    for content in (one, four):
        content['files'].update(seconds=0, images_per_second=0)
    assert one == four
