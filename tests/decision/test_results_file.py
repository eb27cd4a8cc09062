from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mmdefect.decision import (
    ImageScores,
    ResultsFile,
    ResultsHeader,
    TrainingManifest,
    reaches,
    write_results,
)
from mmdefect.errors import InputError

SHA = 'a' * 64
HEADER = {'format': 'mmdefect-results/1', 'model': SHA, 'classes': ['rust', 'pit']}
IMAGE = {'image': 'a.png', 'sha256': SHA}


def write(path, header, *lines):
    rows = [row if isinstance(row, str) else json.dumps(row) for row in (header, *lines)]
    path.write_text('\n'.join(rows) + '\n', encoding='utf-8')
    return path


def test_round_trip(tmp_path):
    header = ResultsHeader(
        model=SHA, classes=['rust', 'pit'], training=TrainingManifest(images=[SHA], parts=['p'])
    )
    images = [
        ImageScores(image='a.png', sha256=SHA),
        ImageScores(
            image='ä.png', sha256=SHA, part='1', truth=(), scores={'pit': 1.0},
            boxes=((0.0, 0.0, 1.0, 1.0, 1, 1.0),),
        ),
        ImageScores(image='b.png', sha256=SHA, truth=('rust',), scores={'rust': 0.1, 'pit': 0}),
    ]  # fmt: skip
    path = tmp_path / 'deep' / 'results.jsonl'
    assert write_results(path, header, iter(images)) == 3
    results = ResultsFile(path)
    assert results.header == header
    # Twice: every pass reads the file again.
    assert list(results) == list(results) == images
    assert path.read_text(encoding='utf-8').count('\n') == 4


def test_what_a_program_writes_by_hand(tmp_path):
    lines = ['', {**IMAGE, 'scores': {'rust': 1}, 'truth': ['pit']}, '  ']
    path = write(tmp_path / 'r.jsonl', HEADER, *lines)
    path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())
    (image,) = ResultsFile(path)
    assert image.scores == {'rust': 1.0} and image.truth == ('pit',) and image.part is None


def test_no_images(tmp_path):
    assert list(ResultsFile(write(tmp_path / 'r.jsonl', HEADER))) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = write(tmp_path / 'r.jsonl', HEADER)
    old = path.read_bytes()

    def images():
        yield ImageScores(image='a.png', sha256=SHA)
        raise RuntimeError('killed')

    with pytest.raises(RuntimeError):
        write_results(path, ResultsHeader(model=SHA, classes=['rust']), images())
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('header', 'reason'),
    [
        ('', 'no results file, it looks like an empty file'),
        ('[1]', 'no results file, it looks like a JSON list'),
        ('ImageId,ClassId\na.jpg,1', 'no results file, it looks like a CSV table'),
        ('{"format": "mmdefect-policy/1"}', 'it looks like a file of format mmdefect-policy/1'),
        ('{"images": [], "annotations": []}', 'it looks like COCO labels'),
        ('PK\x03\x04', 'it looks like a checkpoint'),
        ('\x00\x01', 'line 1 is no header'),
        (IMAGE, 'key "model": field required'),
        ({**HEADER, 'format': 'mmdefect-results/2'}, 'newer mmdefect (results format 2'),
        ({**HEADER, 'format': 'coco'}, 'a file of format coco'),
        ({**HEADER, 'model': 'abc'}, 'key "model"'),
        ({**HEADER, 'classes': []}, 'key "classes"'),
        ({**HEADER, 'classes': ['rust', 'rust']}, "'rust' stands twice"),
        ({**HEADER, 'clases': []}, 'key "clases": extra inputs'),
        ({**HEADER, 'training': {'images': ['x']}}, 'key "training.images.0"'),
    ],
)
def test_bad_headers(tmp_path, header, reason):
    path = write(tmp_path / 'r.jsonl', header)
    with pytest.raises(InputError) as error:
        ResultsFile(path)
    assert reason in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('{"image": "a.png", "sha', 'line 3: invalid JSON'),
        ('[]', 'line 3: input should be an object'),
        ({'image': 'a.png'}, 'line 3, key "sha256": field required'),
        ({**IMAGE, 'image': ''}, 'line 3, key "image"'),
        ({**IMAGE, 'scores': {'rust': 1.5}}, 'line 3, key "scores.rust"'),
        ({**IMAGE, 'scores': {'rust': -0.1}}, 'line 3, key "scores.rust"'),
        ({**IMAGE, 'scores': {'rust': math.nan}}, 'line 3, key "scores.rust": input should be'),
        ({**IMAGE, 'scores': {'rust': '0.5'}}, 'line 3, key "scores.rust"'),
        ({**IMAGE, 'scores': {'rst': 0.5}}, "class 'rst' is not in line 1; did you mean 'rust'?"),
        ({**IMAGE, 'truth': ['crack']}, 'key "truth": class \'crack\' is not in line 1; known'),
        ({**IMAGE, 'truth': 'rust'}, 'line 3, key "truth"'),
        ({**IMAGE, 'score': {}}, 'line 3, key "score": extra'),
        ({**IMAGE, 'boxes': [[0, 0, 1, 1, 2, 0.5]]}, 'a class index is not below 2'),
        ({**IMAGE, 'boxes': [[0, 0, 1, 1, 0]]}, 'line 3, key "boxes.0.5": field required'),
    ],
)
def test_bad_lines(tmp_path, line, reason):
    path = write(tmp_path / 'r.jsonl', HEADER, IMAGE, line)
    seen = []
    with pytest.raises(InputError) as error:
        seen.extend(ResultsFile(path))
    assert reason in str(error.value) and '\n' not in str(error.value)
    assert str(path) in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match='cannot be read'):
        ResultsFile(tmp_path / 'no.jsonl')
    with pytest.raises(InputError, match='cannot be read'):
        ResultsFile(tmp_path)


def test_from_detections():
    image = ImageScores.from_detections(
        'a.png', SHA, ['rust', 'pit', 'dent'], np.array([1, 0, 1]),
        np.float32([0.25, 0.29, 0.75]), boxes=np.arange(12).reshape(3, 4), part='p', truth=['pit'],
    )  # fmt: skip
    assert image.scores == {'rust': float(np.float32(0.29)), 'pit': 0.75}
    assert image.boxes[2] == (8.0, 9.0, 10.0, 11.0, 1, 0.75)
    empty = ImageScores.from_detections('a.png', SHA, ['rust'], [], [], boxes=np.zeros((0, 4)))
    assert empty.scores == {} and empty.boxes == ()


@pytest.mark.parametrize('score', [math.nan, math.inf, -0.1, 1.1])
def test_models_that_give_no_score(score):
    with pytest.raises(InputError, match=r'a\.png: the model gives a score'):
        ImageScores.from_detections('a.png', SHA, ['rust'], [0, 0], [0.5, score])
    with pytest.raises(ValidationError):
        ImageScores(image='a.png', sha256=SHA, scores={'rust': score})


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1, width=32), st.floats(0, 1))
def test_scores_survive_the_file(score, other):
    image = ImageScores(image='a', sha256=SHA, scores={'rust': score, 'pit': other})
    again = ImageScores.model_validate_json(image.line())
    assert again == image
    assert reaches(again.scores['rust'], np.float32(score))
