"""Runs that are interrupted, go on and decide anew, with a model that reads brightness."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mmdefect.decision import Bands, ImageScores, Pooling, ResultsFile, ResultsHeader
from mmdefect.errors import InputError
from mmdefect.fileio import file_sha256
from mmdefect.inference.image_scorer import ScoredFile
from mmdefect.inference.inspection import Inspection, SignedPolicy
from mmdefect.inference.part_pattern import PartPattern

SHA = '0' * 64
PATTERN = r'(?P<part>[^/]+)_v\d'


class Killed(BaseException):
    """What ends a process."""


class Brightness:
    """Scores the class rust by the first pixel; ends the process after so many images."""

    classes = ('rust', 'pit')

    def __init__(self, limit=None):
        self.seen, self.limit = [], limit

    def score(self, paths):
        for path in paths:
            if len(self.seen) == self.limit:
                raise Killed
            self.seen.append(path)
            try:
                value = np.asarray(Image.open(path))[0, 0, 0] / 255
            except OSError:
                yield ScoredFile(path, None, f'{path}: image cannot be decoded')
                continue
            boxes = ((0.0, 0.0, 4.0, 4.0, 0, value),)
            scores = ImageScores(
                image=path, sha256=file_sha256(path), scores={'rust': value}, boxes=boxes
            )
            yield ScoredFile(path, scores)

    def pixels(self, path):
        return np.asarray(Image.open(path))


@pytest.fixture
def images(tmp_path):
    """Four parts of two images: good, on hold, failing, with an unreadable image."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for part, values in dict(a=(0, 20), b=(0, 100), c=(250, 0), d=(10, None)).items():
        for view, value in enumerate(values):
            path = folder / f'{part}_v{view}.png'
            if value is None:
                path.write_text('no image')
            else:
                Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)
    return folder


@pytest.fixture
def run(tmp_path, images, make_policy):
    """``run(limit=None, ...)``: summary and scorer of a run, or of one that is killed."""

    def call(limit=None, policy=None, pattern=PATTERN, sha='p' * 64, header=None, **options):
        paths = sorted(map(str, images.iterdir()))
        scorer = Brightness(limit)
        header = header or ResultsHeader(model=SHA, classes=['?'])
        signed = SignedPolicy(policy or make_policy(), sha) if sha else None
        inspection = Inspection(
            tmp_path / 'out', PartPattern(pattern).parts(paths), header, signed, **options
        )
        try:
            return inspection.run(lambda: scorer), scorer
        except Killed:
            return None, scorer

    return call


def decisions(tmp_path):
    first, *lines = (tmp_path / 'out' / 'decisions.jsonl').read_text().splitlines()
    assert json.loads(first)['format'] == 'mmdefect-decisions/1'
    return {line['part']: line for line in map(json.loads, lines)}, len(lines)


def pictures(tmp_path):
    folder = tmp_path / 'out' / 'pictures'
    return sorted(
        f'{path.parent.name}/{path.name[:4]}' for path in folder.rglob('*') if path.is_file()
    )


def test_a_whole_run(run, tmp_path, images):
    summary, _ = run(draw='fail-hold')
    assert summary.outcomes == {'PASS': 1, 'HOLD': 2, 'FAIL': 1} and not summary.all_pass
    assert summary.by_class == {'rust': {'HOLD': 1, 'FAIL': 1}}
    assert list(summary.unreadable) == [str(images / 'd_v1.png')]
    assert (summary.images, summary.parts, summary.inspected) == (8, 4, 8)
    found, count = decisions(tmp_path)
    assert {part: line['outcome'] for part, line in found.items()} == {
        'a': 'PASS', 'b': 'HOLD', 'c': 'FAIL', 'd': 'HOLD',
    } and count == 4  # fmt: skip
    assert 'd_v1.png' in found['d']['reason']
    results = list(ResultsFile(tmp_path / 'out' / 'results.jsonl'))
    # What could not be inspected is no result.
    assert len(results) == 7 and results[0].part == 'a' and results[0].truth is None
    assert pictures(tmp_path) == ['FAIL/c_v0', 'HOLD/b_v1']
    assert json.loads((tmp_path / 'out' / 'summary.json').read_text()) == summary.to_dict()


@pytest.mark.parametrize('limit', range(9))
def test_killed_anywhere_none_twice_none_lost(run, tmp_path, limit):
    killed, first = run(limit, draw='all')
    assert killed is None or limit == 8
    summary, second = run(draw='all')
    # Only the unreadable image is looked at again.
    again = set(first.seen) & set(second.seen)
    assert len(again) == (limit == 8) and len(set(first.seen) | set(second.seen)) == 8
    names = [image.image for image in ResultsFile(tmp_path / 'out' / 'results.jsonl')]
    assert len(names) == len(set(names)) == 7
    found, count = decisions(tmp_path)
    assert count == len(found) == 4
    assert summary.outcomes == {'PASS': 1, 'HOLD': 2, 'FAIL': 1}
    assert pictures(tmp_path) == [
        'FAIL/c_v0', 'FAIL/c_v1', 'HOLD/b_v0', 'HOLD/b_v1', 'HOLD/d_v0', 'PASS/a_v0', 'PASS/a_v1',
    ]  # fmt: skip


def test_a_file_that_was_unreadable_is_tried_again(run, tmp_path, images):
    run()
    Image.fromarray(np.full((8, 8, 3), 255, np.uint8)).save(images / 'd_v1.png')
    summary, scorer = run()
    assert scorer.seen == [str(images / 'd_v1.png')]
    assert decisions(tmp_path)[0]['d']['outcome'] == 'FAIL' and not summary.unreadable


def test_another_policy_needs_no_new_inspection(run, tmp_path, images, make_policy):
    (images / 'd_v1.png').unlink()
    run(draw='fail-hold')
    assert pictures(tmp_path) == ['FAIL/c_v0', 'HOLD/b_v1']
    strict = make_policy().model_copy(
        update={'thresholds': dict(rust=Bands(hold=0.01, fail=0.3), pit=Bands(hold=1, fail=1))}
    )
    summary, scorer = run(policy=strict, draw='fail-hold')
    assert not scorer.seen and summary.outcomes == {'HOLD': 2, 'FAIL': 2}
    assert pictures(tmp_path) == ['FAIL/b_v1', 'FAIL/c_v0', 'HOLD/a_v1', 'HOLD/d_v0']
    # And back: pictures of parts that pass now are gone.
    run(draw='fail-hold')
    assert pictures(tmp_path) == ['FAIL/c_v0', 'HOLD/b_v1']
    twice = make_policy().model_copy(update={'pooling': Pooling(n=2)})
    summary, _ = run(policy=twice)
    assert summary.outcomes == {'PASS': 3, 'HOLD': 1}


def test_results_first_decisions_later(run, tmp_path):
    summary, _ = run(sha=None)
    assert summary.outcomes == {} and summary.policy is None
    assert not (tmp_path / 'out' / 'decisions.jsonl').exists()
    summary, scorer = run()
    assert len(scorer.seen) == 1 and summary.outcomes['FAIL'] == 1


def test_each_image_its_own_part(run, tmp_path, images):
    summary, _ = run(pattern=None)
    assert summary.parts == 8 and summary.outcomes == {'PASS': 5, 'HOLD': 2, 'FAIL': 1}
    assert str(images / 'c_v0.png') in decisions(tmp_path)[0]


def test_more_images_later(run, tmp_path, images):
    run()
    # A third view of a part that has passed, and a new part.
    for name, value in (('a_v2', 255), ('e_v0', 0)):
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(images / f'{name}.png')
    summary, scorer = run()
    assert len(scorer.seen) == 3 and summary.parts == 5
    assert decisions(tmp_path)[0]['a']['outcome'] == 'FAIL'


@pytest.mark.parametrize(
    ('pattern', 'images', 'doubts'),
    [(None, 59, ['how its scores']),
     (PATTERN, 59, ['how its scores', 'mean number of images is 1, and here it is']),
     (PATTERN, 2 * 59, ['how its scores'])],
)  # fmt: skip
def test_doubts(tmp_path, make_policy, pattern, images, doubts):
    parts = PartPattern(pattern).parts(['a_v0.png', 'a_v1.png', 'b_v0.png', 'b_v1.png'])
    policy = make_policy()
    policy = policy.model_copy(
        update={'evidence': policy.evidence.model_copy(update={'images': images})}
    )
    header = ResultsHeader(model=SHA, classes=['?'])
    assert Inspection(tmp_path, parts, header).doubts() == []
    found = Inspection(tmp_path, parts, header, SignedPolicy(policy, SHA)).doubts()
    assert len(found) == len(doubts)
    for text, doubt in zip(doubts, found, strict=True):
        assert text in doubt


def test_views_that_lack(run):
    assert run(views=3)[0].outcomes == {'HOLD': 3, 'FAIL': 1}


def test_what_is_refused(run, tmp_path, images, make_policy):
    run()
    with pytest.raises(InputError, match="shows part 'a' there and None by the part pattern"):
        run(pattern=None)
    with pytest.raises(InputError, match='results of model'):
        run(header=ResultsHeader(model='f' * 64, classes=['?']))
    with pytest.raises(InputError, match='policy knows the classes rust, and the model has rust'):
        run(policy=make_policy(rust=(0.3, 0.6)))
    before = (tmp_path / 'out' / 'results.jsonl').read_bytes()
    kept = (images / 'a_v0.png').read_bytes()
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(images / 'a_v0.png')
    with pytest.raises(InputError, match='a_v0.png: has changed since'):
        run()
    (images / 'a_v0.png').unlink()
    with pytest.raises(InputError, match='a_v0.png, which is not among the images given'):
        run()
    (images / 'a_v0.png').write_bytes(kept)
    assert (tmp_path / 'out' / 'results.jsonl').read_bytes() == before
    (tmp_path / 'out' / 'decisions.jsonl').write_text('part,outcome\n')
    with pytest.raises(InputError, match='decisions.jsonl: holds something else'):
        run()


def test_progress_counts_earlier_images(tmp_path, images, run):
    run(3)
    calls = []
    paths = sorted(map(str, images.iterdir()))
    Inspection(
        tmp_path / 'out', PartPattern(PATTERN).parts(paths), ResultsHeader(model=SHA, classes=['?'])
    ).run(Brightness, lambda done, total: calls.append((done, total)))
    assert calls == [(number, 8) for number in range(4, 9)]
