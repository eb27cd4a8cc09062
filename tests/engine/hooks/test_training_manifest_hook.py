from __future__ import annotations

import hashlib
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.logging import MMLogger
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets import DefectDataset, MultiViewDataset
from mmdefect.decision import TrainingManifest
from mmdefect.decision.training_manifest import TRAINING_MANIFEST
from mmdefect.engine import launch
from mmdefect.engine.hooks import TrainingManifestHook
from mmdefect.engine.hooks.training_manifest_hook import manifest_of
from mmdefect.errors import InputError

HASH = {name: hashlib.sha256(name.encode()).hexdigest() for name in 'abcd'}


class Files:
    """A data set of files whose content is their name."""

    def __init__(self, folder, names, **keys):
        self.paths = [folder / name for name in names]
        self.keys = keys
        for path in self.paths:
            path.write_text(path.name)

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return {'img_path': str(self.paths[index]), **self.keys}


def run(folder, dataset, load_from=None, model=None):
    runner = SimpleNamespace(
        work_dir=str(folder), hooks=[], _load_from=load_from, model=model or torch.nn.Identity(),
        train_dataloader=SimpleNamespace(dataset=dataset),
        logger=MMLogger.get_instance('manifest'),
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    TrainingManifestHook().before_train(runner)
    return TrainingManifest.load(folder / TRAINING_MANIFEST)


def hashes(names):
    return tuple(sorted(HASH[name] for name in names))


def test_all_sources_count_once(tmp_path):
    labelled = Files(tmp_path, 'ab', part_id='p1')
    unlabelled = Files(tmp_path, 'bc', part_id=7)
    manifest = manifest_of(SimpleNamespace(datasets=[labelled, unlabelled]))
    assert manifest == TrainingManifest(images=hashes('abc'), parts=('7', 'p1'))


def test_what_is_no_file_here(tmp_path):
    (tmp_path / 'a').write_text('a')
    data = Files(tmp_path, 'ab')
    data.paths[1].unlink()
    assert manifest_of(data) == TrainingManifest(images=hashes('a'))
    data.paths[1] = 's3://bucket/b'
    assert manifest_of(data) == TrainingManifest(images=hashes('a'), complete=False)
    assert manifest_of(Files(tmp_path, '')) == TrainingManifest(images=())


def test_views_of_parts(tiny_coco):
    reader = dict(type='mmdefect.COCOReader', ann_file=str(tiny_coco / 'train.json'))
    single = manifest_of(DefectDataset(reader=reader))
    numbered = MultiViewDataset(reader=reader, group_by='image', geometry='free')
    named = MultiViewDataset(
        reader=reader, group_by='pattern', pattern=r'(?P<part>\d\d)(?P<view>\d)', geometry='free'
    )
    assert len(single.images) == 8 and single.parts == ()
    assert manifest_of(numbered) == single
    assert manifest_of(named) == single.model_copy(update={'parts': ('00',)})


@pytest.mark.parametrize(
    ('start', 'complete'),
    [
        ('torchvision://resnet18', True),
        ('https://download.openmmlab.com/a.pth', True),
        ('http://nas/a.pth', False),
        ('{folder}/bare/a.pth', False),
        ('{folder}/told/a.pth', True),
    ],
)
@pytest.mark.parametrize('inside', [False, True])
def test_weights_it_starts_from(tmp_path, start, complete, inside):
    for name in ('bare', 'told'):
        (tmp_path / name).mkdir()
    TrainingManifest(images=[HASH['d']], parts=['old']).save(tmp_path / 'told' / TRAINING_MANIFEST)
    start = start.format(folder=tmp_path)
    model = torch.nn.Sequential(torch.nn.ReLU())
    if inside:
        model[0].init_cfg = dict(type='Pretrained', checkpoint=start)
    manifest = run(tmp_path / 'new', Files(tmp_path, 'a'), None if inside else start, model)
    assert manifest.complete is complete
    told = 'told' in start
    assert manifest.images == hashes('ad' if told else 'a')
    assert manifest.parts == (('old',) if told else ())


def test_a_folder_with_checkpoints_keeps_what_they_have_seen(tmp_path):
    folder = tmp_path / 'work'
    assert run(folder, Files(tmp_path, 'a')).images == hashes('a')
    # Nothing was saved: the manifest is about nothing.
    assert run(folder, Files(tmp_path, 'b')).images == hashes('b')
    (folder / 'epoch_1.pth').touch()
    assert run(folder, Files(tmp_path, 'c'), str(folder / 'epoch_1.pth')) == TrainingManifest(
        images=hashes('bc')
    )
    (folder / TRAINING_MANIFEST).unlink()
    assert run(folder, Files(tmp_path, 'c')) == TrainingManifest(images=hashes('c'), complete=False)
    (folder / TRAINING_MANIFEST).write_text('{')
    with pytest.raises(InputError, match='no training manifest'):
        run(folder, Files(tmp_path, 'c'))


def test_it_lies_where_checkpoints_lie(tmp_path):
    hook = CheckpointHook(out_dir=str(tmp_path / 'models'))
    runner = SimpleNamespace(
        work_dir=str(tmp_path / 'work'), hooks=[hook], _load_from=None, model=torch.nn.Identity(),
        train_dataloader=SimpleNamespace(dataset=Files(tmp_path, 'a')),
        logger=MMLogger.get_instance('manifest'),
    )  # fmt: skip
    hook.before_train(runner)
    TrainingManifestHook().before_train(runner)
    assert (tmp_path / 'models' / 'work' / TRAINING_MANIFEST).is_file()


def test_a_training_and_its_resumption(make_config, write_coco, tiny_trained, tmp_path):
    first = TrainingManifest.load(tiny_trained.work_dir / TRAINING_MANIFEST)
    assert len(first.images) == 8 and first.complete
    assert TrainingManifest.beside(tiny_trained.checkpoint) == first
    # Resumed elsewhere, on other images.
    write_coco(tmp_path / 'data')
    for path in (tmp_path / 'data' / 'images').glob('*.png'):
        pixels = np.asarray(Image.open(path)) // 2
        Image.fromarray(pixels).save(path)
    config = make_config(tmp_path, data=tmp_path / 'data')
    launch.train(
        [str(config), '--work-dir', str(tmp_path / 'work'), '--resume',
         str(tiny_trained.checkpoint), '--cfg-options', 'train_cfg.max_epochs=2']
    )  # fmt: skip
    both = TrainingManifest.beside(tmp_path / 'work' / 'epoch_2.pth')
    assert len(both.images) == 16 and set(first.images) < set(both.images) and both.complete
    # A checkpoint that was copied away without its manifest.
    shutil.copy(tiny_trained.checkpoint, tmp_path / 'copy.pth')
    assert not run(tmp_path / 'more', Files(tmp_path, 'a'), str(tmp_path / 'copy.pth')).complete


def test_unknown_keys():
    with pytest.raises(InputError, match='fil'):
        TrainingManifestHook(fil='a')
