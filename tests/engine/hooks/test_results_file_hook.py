from __future__ import annotations

import hashlib
import json
import pickle
from collections import Counter

import pytest
from mmengine.config import Config

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.decision import ResultsFile, TrainingManifest
from mmdefect.engine import launch
from mmdefect.engine.hooks import ResultsFileHook
from mmdefect.errors import InputError

FOLDER = """
test_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
        type='mmdefect.DefectDataset', test_mode=True, metainfo=dict(classes=classes),
        reader=dict(_delete_=True, type='mmdefect.FolderReader', source=data + '/images'),
        pipeline=load + resize + pack))
test_dataloader['sampler'] = dict(type='DefaultSampler', shuffle=False)
"""
VIEWS = """
views = dict(
    type='mmdefect.MultiViewDataset', test_mode=True, metainfo=dict(classes=classes),
    group_by={group_by!r}, pattern={pattern!r}, geometry='free', reference_views={references},
    reader=dict(type='mmdefect.COCOReader', ann_file=data + '/val.json'),
    pipeline=[dict(type='mmdefect.PerView', transforms=load + resize + pack)])
model['type'] = 'mmdefect.MultiViewRetinaNet'
test_dataloader = dict(
    _delete_=True, batch_size=1, num_workers=0, dataset=views,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='mmdefect.multi_view_collate'))
"""


def tiled_config(config, folder):
    """The same detector, which now sees whole images through tiles."""
    content = Config.fromfile(config)
    load, resize, boxes, _ = content.test_dataloader.dataset.pipeline
    pack = dict(type='mmdefect.PackInputs', meta_keys=('img_path', 'ori_shape', 'img_shape'))
    content.model = dict(
        type='mmdefect.TiledDetector', detector=content.model, size=(48, 48), overlap=0.25,
        pipeline=[resize],
    )  # fmt: skip
    content.test_dataloader.dataset.pipeline = [load, boxes, pack]
    content.dump(folder / 'tiled_results.py')
    return folder / 'tiled_results.py'


@pytest.fixture
def tested(tiny_trained, tmp_path):
    """``tested(config=..., options=())``: the results file of a test."""

    def run(config=None, *options):
        out = tmp_path / 'deep' / 'results.jsonl'
        launch.test(
            [str(config or tiny_trained.config), str(tiny_trained.checkpoint), '--work-dir',
             str(tmp_path / 'work'), '--out', str(out), *options]
        )  # fmt: skip
        assert [path.name for path in out.parent.iterdir()] == ['results.jsonl']
        return ResultsFile(out)

    return run


def test_a_results_file(tested, tiny_trained, tmp_path, caplog):
    results = tested(None, '--cfg-options', 'model.test_cfg.score_thr=0.001')
    header = results.header
    assert header.model == hashlib.sha256(tiny_trained.checkpoint.read_bytes()).hexdigest()
    assert header.classes == ('chip', 'rust')
    assert header.training == TrainingManifest.beside(tiny_trained.checkpoint)
    assert header.inference['test_cfg']['score_thr'] == 0.001 and not header.inference['amp']
    images = list(results)
    paths = sorted((tiny_trained.data / 'images').glob('*.png'))
    assert [image.image for image in images] == [str(path) for path in paths]
    assert Counter(image.truth for image in images) == {('chip', 'rust'): 6, (): 2}
    record = json.loads((tmp_path / 'work' / 'evaluation.json').read_text())
    by_path = {image['path']: image for image in record['images']}
    for image, path in zip(images, paths, strict=True):
        assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() and image.part is None
        best = max(box[5] for box in image.boxes)
        assert best == max(image.scores.values())
        shown = by_path[image.image]['detections']
        assert len(shown) <= len(image.boxes)


def test_a_high_score_threshold_is_said(tested, tmp_path):
    tested(None, '--cfg-options', 'model.test_cfg.score_thr=0.2')
    (log,) = (tmp_path / 'work').rglob('*.log')
    assert 'test_cfg.score_thr is 0.2: boxes below' in log.read_text()


def test_mixed_precision_is_noted(tested):
    assert tested(None, '--amp').header.inference['amp'] is True


def test_images_without_labels(tested, make_config, tmp_path):
    config = make_config(tmp_path, extra=FOLDER)
    assert {image.truth for image in tested(config)} == {None}


@pytest.mark.parametrize(
    ('pattern', 'references', 'count', 'parts'),
    [
        (r'(?P<part>\d\d)(?P<view>\d)', [], 8, {'00'}),
        (r'0(?P<view>0)(?P<part>\d)', [], 8, set('01234567')),
        (r'(?P<part>\d\d)(?P<view>\d)', [2, 5], 6, {'00'}),
        (None, [], 8, {None}),
    ],
)
def test_views_of_parts(tested, make_config, tmp_path, pattern, references, count, parts):
    text = VIEWS.format(
        group_by='pattern' if pattern else 'image', pattern=pattern, references=references
    )
    images = list(tested(make_config(tmp_path, extra=text)))
    assert len(images) == count and {image.part for image in images} == parts


def test_a_detector_of_tiles(tested, tiny_config, tmp_path):
    results = tested(tiled_config(tiny_config, tmp_path))
    assert results.header.inference['tiles']['size'] == [48, 48]
    assert [step['type'] for step in results.header.inference['pipeline']] == [
        'mmdefect.LoadImage', 'Resize',
    ]  # fmt: skip
    images = list(results)
    assert len(images) == 8 and any(image.boxes for image in images)


def test_a_pickle_is_still_one(tiny_trained, tmp_path):
    out = tmp_path / 'results.pkl'
    launch.test(
        [str(tiny_trained.config), str(tiny_trained.checkpoint), '--work-dir', str(tmp_path / 'w'),
         '--out', str(out)]
    )  # fmt: skip
    assert len(pickle.loads(out.read_bytes())) == 8


def test_a_test_that_fails_leaves_nothing(tested, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise InputError('a.png: no score')

    monkeypatch.setattr('mmdefect.engine.hooks.results_file_hook.score_sample', broken)
    hooks = []
    monkeypatch.setattr('atexit.register', hooks.append)
    with pytest.raises(InputError, match='no score'):
        tested()
    for hook in hooks:
        if hook.__name__ == '_discard':
            hook()
    assert not list((tmp_path / 'deep').iterdir())


def test_refusals(tested, tmp_path):
    with pytest.raises(InputError, match='must end in .jsonl'):
        ResultsFileHook('a.txt')
    with pytest.raises(InputError, match="did you mean 'amp'"):
        ResultsFileHook('a.jsonl', apm=True)
    (tmp_path / 'deep').write_text('a file where a folder should be')
    with pytest.raises(InputError, match=r'results.jsonl: cannot be written'):
        tested()


@pytest.mark.slow
def test_two_ranks_write_what_one_writes(tested, tiny_trained, run_python, tmp_path):
    alone = list(tested())
    out = tmp_path / 'two' / 'results.jsonl'
    done = run_python(
        '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', 'tools/test.py',
        tiny_trained.config, tiny_trained.checkpoint, '--launcher', 'pytorch', '--device', 'cpu',
        '--work-dir', tmp_path / 'two_work', '--out', out,
        # Seven images: the sampler repeats one to fill up the second rank.
        '--cfg-options', 'test_dataloader.dataset.indices=7',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.parent.iterdir()] == ['results.jsonl']
    images = list(ResultsFile(out))
    assert [image.image for image in images] == [image.image for image in alone[:7]]
    for image, other in zip(images, alone, strict=False):
        assert image.scores == pytest.approx(other.scores, abs=1e-5)
