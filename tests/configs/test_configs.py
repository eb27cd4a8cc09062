"""Every config: its model, its data, and the clean images that reach the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope

ROOT = Path(__file__).resolve().parents[2] / 'configs'
CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.glob('*/*.py')
    # Soft teachers have batches of several branches, steel a classifier: tests of their own.
    if path.parent.name not in ('_base_', 'soft_teacher', 'steel')
)
FROM_SCRATCH = [name for name in CONFIGS if 'finetune' not in name]
CLEAN = (1, 4, 6)
# The model of a shop, which counts products; `mmdefect check` says what that costs.
HIGH_SCORE = 'dense_retail/shared_tower_r50_fpn_sku110k.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Seven 40x30 images, three of them clean, in the format of each data set.

    SKU-110K has a row per box, so it knows no clean images.
    """
    folder = tmp_path_factory.mktemp('data')
    drill = Config.fromfile(ROOT / '_base_/datasets/drill.py').classes
    steel = Config.fromfile(ROOT / '_base_/datasets/neu_det.py').classes
    for name in (
        'drill/images', 'shelf/images', 'sku110k/images', 'sku110k/annotations',
        'neu_det/images', 'neu_det/annotations', 'deep_pcb',
    ):  # fmt: skip
        (folder / name).mkdir(parents=True)
    rows = []
    content = {
        'images': [],
        'annotations': [],
        'categories': [{'id': index, 'name': name} for index, name in enumerate(drill)],
    }
    for index in range(7):
        pixels = np.full((30, 40, 3), 30 * index, np.uint8)
        for root in ('drill', 'neu_det', 'shelf', 'sku110k'):
            Image.fromarray(pixels).save(folder / root / f'images/{index}.png')
        Image.fromarray(pixels).save(folder / f'deep_pcb/{index}_test.jpg')
        content['images'].append({'id': index, 'file_name': f'images/{index}.png'})
        boxes = board = ''
        if index not in CLEAN:
            content['annotations'].append(
                {'image_id': index, 'category_id': index % 5, 'bbox': [5, 6, 10, 8]}
            )
            boxes = (
                f'<object><name>{steel[index % 6]}</name><bndbox><xmin>6</xmin><ymin>7</ymin>'
                '<xmax>15</xmax><ymax>14</ymax></bndbox></object>'
            )
            rows.append(f'{index}.png,5,6,15,14,object,40,30')
            board = f'5 6 15 14 {index % 6 + 1}'
        (folder / f'deep_pcb/{index}.txt').write_text(board)
        (folder / f'neu_det/annotations/{index}.xml').write_text(
            f'<annotation><filename>{index}.png</filename>{boxes}</annotation>'
        )
    shelf = dict(
        content,
        categories=[{'id': 0, 'name': 'object'}],
        annotations=[{**item, 'category_id': 0} for item in content['annotations']],
    )
    for split in ('train', 'val', 'test'):
        (folder / f'drill/{split}.json').write_text(json.dumps(content))
        (folder / f'shelf/{split}.json').write_text(json.dumps(shelf))
        (folder / f'sku110k/annotations/annotations_{split}.csv').write_text('\n'.join(rows))
        (folder / f'neu_det/{split}.txt').write_text('\n'.join(map(str, range(7))))
        pairs = '\n'.join(f'{index}.jpg {index}.txt' for index in range(7))
        (folder / f'deep_pcb/{split}.txt').write_text(pairs)
    return folder


@pytest.fixture
def load(data, monkeypatch):
    monkeypatch.setenv('MMDEFECT_DATA', data.as_posix())
    monkeypatch.setenv('MMDEFECT_DRILL_GREY12', (data / 'drill').as_posix())
    for name in ('drill', 'shelf', 'sku110k'):
        monkeypatch.setenv(f'MMDEFECT_{name.upper()}', (data / name).as_posix())
    init_default_scope('mmdet')
    return lambda name: Config.fromfile(ROOT / name)


@pytest.mark.parametrize('name', CONFIGS)
def test_no_clean_image_is_lost_on_the_way_to_the_model(load, name):
    config = load(name)
    clean, wanted = ((), '0235') if 'sku110k' in name else (CLEAN, '0123456')
    for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config[part]
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        if loader.sampler.type == 'mmdefect.TileSampler':
            # Each of the small images is one tile; all of them once.
            loader.sampler.update(batch_size=2, defect_share=None)
        if loader.sampler.type == 'mmdefect.DensityCurriculumSampler':
            loader.sampler.start_share = 1.0
        counts, seen = [], set()
        for batch in Runner.build_dataloader(loader, seed=0):
            for sample in batch['data_samples']:
                counts.append(len(sample.gt_instances))
                seen.add(Path(sample.img_path).stem.removesuffix('_test'))
                assert len(sample.instances) == len(sample.gt_instances)
        assert seen == set(wanted), part
        assert (len(counts), counts.count(0), sum(counts)) == (len(wanted), len(clean), 4), part


def _max_dets(evaluator):
    """The one limit of all metrics of a config."""
    metrics = evaluator if isinstance(evaluator, list) else [evaluator]
    (limit,) = {metric.max_dets for metric in metrics if 'max_dets' in metric}
    return limit


@pytest.mark.parametrize('name', CONFIGS)
def test_model_and_data_agree(load, name):
    config = load(name)
    for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        model = config.model.get('detector', config.model)
        head = model.get('roi_head', model).bbox_head
        dataset = config[part].dataset
        metainfo = dataset.get('dataset', dataset).metainfo
        assert head.num_classes == len(metainfo.classes)
    limit = _max_dets(config.val_evaluator)
    test_cfg = model.test_cfg.get('rcnn', model.test_cfg)
    assert _max_dets(config.test_evaluator) == limit == test_cfg.max_per_img
    assert test_cfg.score_thr == 0.2 if name == HIGH_SCORE else test_cfg.score_thr <= 0.001
    assert config.custom_imports.imports == ['mmdefect']
    assert 'SyncBN' not in str(config.model)


@pytest.mark.parametrize('name', FROM_SCRATCH)
def test_from_scratch_nothing_is_frozen_or_downloaded(load, name):
    config = load(name)
    assert config.load_from is None
    assert 'Pretrained' not in str(config.model)
    backbone = config.model.get('detector', config.model).backbone
    assert backbone.get('frozen_stages', -1) == -1
    assert not backbone.get('norm_eval', False)
    model = MODELS.build(config.model).train()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize('name', sorted(set(CONFIGS) - set(FROM_SCRATCH)))
def test_fine_tuning_names_a_checkpoint_and_takes_no_other_weights(load, name):
    config = load(name)
    assert config.load_from.startswith(('https://', 'torchvision://'))
    # init_cfg would be downloaded too, also when load_from is a local file.
    assert 'Pretrained' not in str(config.model)


@pytest.mark.parametrize('name', [name for name in CONFIGS if name.startswith('retinanet')])
def test_focal_loss_has_one_line_options(load, name):
    text = (ROOT / name).read_text()
    assert '\ngamma = ' in text and '\nalpha = ' in text
    config = load(name)
    loss = config.model.bbox_head.loss_cls
    assert (loss.gamma, loss.alpha) == (config.gamma, config.alpha)


@pytest.mark.parametrize('name', CONFIGS)
def test_three_zones(name):
    text = (ROOT / name).read_text()
    assert '# ---- often changed ' in text
