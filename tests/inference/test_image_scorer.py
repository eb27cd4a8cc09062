"""A trained detector over files of every kind."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from PIL import Image

from mmdefect.decision import ResultsFile
from mmdefect.engine import launch
from mmdefect.engine.predict import TrainedModel, load_model
from mmdefect.errors import InputError
from mmdefect.inference import Inspector, TiledClassifier, TileGrid
from mmdefect.inference.image_scorer import ImageScorer


@pytest.fixture(scope='module')
def model(tiny_trained):
    return load_model(tiny_trained.config, tiny_trained.checkpoint)


@pytest.fixture(scope='module')
def files(tmp_path_factory, tiny_coco):
    """Name -> path of good and bad images, all of the same picture."""
    folder = tmp_path_factory.mktemp('files')
    first = Image.open(tiny_coco / 'images' / '000.png').convert('RGB')
    first.save(folder / '1_good.png')
    (folder / '2_cut.png').write_bytes((folder / '1_good.png').read_bytes()[:3000])
    grey = np.asarray(first.convert('L'), np.uint16) * 257
    Image.fromarray(grey).save(folder / '3_deep.png')
    (folder / '4_empty.png').touch()
    exif = Image.Exif()
    exif[0x0112] = 6
    first.transpose(Image.Transpose.ROTATE_90).save(folder / '5_exif.png', exif=exif)
    (folder / '6_text.png').write_text('no image')
    first.crop((0, 0, 1, 1)).save(folder / '7_pixel.png')
    first.crop((0, 0, 40, 64)).save(folder / '8_narrow.png')
    Image.open(tiny_coco / 'images' / '001.png').save(folder / '9_good.png')
    found = {path.stem: str(path) for path in sorted(folder.iterdir())}
    found['x_missing'] = str(folder / 'x_missing.png')
    return found


READABLE = ['1_good', '3_deep', '5_exif', '7_pixel', '8_narrow', '9_good']


@pytest.mark.parametrize('tiles', [False, True])
def test_bad_images_keep_their_place(model, files, tiles):
    inspector = Inspector(model, TileGrid((48, 48)), on_error='record') if tiles else None
    scored = list(ImageScorer(model, inspector, batch_size=3).score(files.values()))
    assert [item.path for item in scored] == list(files.values())
    assert [name for name, item in zip(files, scored, strict=True) if item.scores] == READABLE
    for name, item in zip(files, scored, strict=True):
        if item.scores is None:
            assert files[name] in item.error
        else:
            assert item.error is None and item.scores.image == files[name]
            data = Path(files[name]).read_bytes()
            assert item.scores.sha256 == hashlib.sha256(data).hexdigest()
            assert item.scores.truth is None and item.scores.boxes is not None
    good, turned = scored[0].scores, scored[4].scores
    assert good.scores == pytest.approx(turned.scores, abs=1e-5)
    np.testing.assert_allclose(
        [box[:4] for box in good.boxes], [box[:4] for box in turned.boxes], atol=0.02
    )


def test_scores_do_not_depend_on_the_batch_size(model, files):
    one, four = (list(ImageScorer(model, batch_size=size).score(files.values())) for size in (1, 4))
    for first, second in zip(one, four, strict=True):
        assert (first.scores is None) == (second.scores is None)
        if first.scores is not None:
            assert first.scores.scores == pytest.approx(second.scores.scores, abs=1e-5)


def test_scores_are_those_of_a_test(model, tiny_trained, tmp_path):
    out = tmp_path / 'results.jsonl'
    launch.test(
        [str(tiny_trained.config), str(tiny_trained.checkpoint), '--work-dir', str(tmp_path / 'w'),
         '--out', str(out)]
    )  # fmt: skip
    tested = list(ResultsFile(out))
    scored = list(ImageScorer(model).score(image.image for image in tested))
    for before, (_, now, _) in zip(tested, scored, strict=True):
        assert now.scores == pytest.approx(before.scores, abs=1e-5)
        assert now.sha256 == before.sha256 and len(now.boxes) == len(before.boxes)


def test_mixed_precision(model, files):
    exact, rough = (
        next(ImageScorer(model, amp=amp).score([files['1_good']])).scores for amp in (False, True)
    )
    assert rough.scores != exact.scores
    assert rough.scores == pytest.approx(exact.scores, abs=0.05)


def test_one_image_that_a_model_fails_on(files):
    class Picky(torch.nn.Module):
        batch_sizes = []

        def test_step(self, data):
            self.batch_sizes.append(len(data['inputs']))
            if any(item.name == files['5_exif'] for item in data['data_samples']):
                raise RuntimeError('out of memory')
            raise InputError('a.png: no boxes')

    def load(results):
        return dict(
            inputs=torch.zeros(3, 4, 4), data_samples=SimpleNamespace(name=results['img_path'])
        )

    model = TrainedModel(Picky(), [], ['rust'])
    model.steps = load
    model.steps.transforms = [load]
    names = ['1_good', '5_exif', '9_good']
    scored = list(ImageScorer(model, batch_size=4).score(files[name] for name in names))
    assert Picky.batch_sizes == [3, 1, 1, 1]
    assert [item.error for item in scored] == [
        'a.png: no boxes', f'{files["5_exif"]}: cannot be inspected (out of memory)',
        'a.png: no boxes',
    ]  # fmt: skip


def test_pixels_for_a_picture(model, files):
    assert ImageScorer(model).pixels(files['3_deep']).shape == (64, 64, 3)
    assert ImageScorer(model).pixels(files['8_narrow']).dtype == np.uint8


def test_models_of_several_views():
    steps = [dict(type='mmdefect.PerView', transforms=[])]
    with pytest.raises(InputError, match='several views .*tools/test.py .* --out .* decide with'):
        ImageScorer(TrainedModel(torch.nn.Identity(), steps, ['rust']))


def test_a_classifier_of_tiles(files):
    class Grey(BaseModel):
        def __init__(self):
            super().__init__(data_preprocessor=BaseDataPreprocessor())
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, inputs, data_samples=None, mode='tensor'):
            return inputs[:, :2].float().amax((2, 3)) / 64 - 2

    pack = dict(type='mmdefect.PackInputs', meta_keys=('img_path', 'ori_shape', 'img_shape'))
    classifier = TiledClassifier(classifier=dict(type=Grey), size=(48, 48))
    model = TrainedModel(classifier, [dict(type='mmdefect.LoadImage'), pack], ('chip', 'rust'))
    scored = list(ImageScorer(model).score(files.values()))
    assert [name for name, item in zip(files, scored, strict=True) if item.scores] == READABLE
    pixels = ImageScorer(model).pixels(files['1_good'])
    expected = 1 / (1 + np.exp(2 - pixels[..., :2].max((0, 1)) / 64))
    assert list(scored[0].scores.scores.values()) == pytest.approx(expected, abs=1e-5)
    # Four tiles, two classes, the best first.
    assert len(scored[0].scores.boxes) == 8
    assert scored[0].scores.boxes[0][5] == max(scored[0].scores.scores.values())
