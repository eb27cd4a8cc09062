"""``mmdefect inspect`` with a trained tiny detector."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mmdefect.cli import app
from mmdefect.decision import (
    ImageScores,
    ResultsFile,
    ResultsHeader,
    ThresholdPolicy,
    collect_parts,
    report_thresholds,
    write_results,
)
from mmdefect.decision.threshold_goal import ThresholdGoal
from mmdefect.engine import launch
from mmdefect.errors import InputError
from mmdefect.fileio import file_sha256


def call(*arguments):
    result = CliRunner().invoke(app, ['inspect', *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope='module')
def results(tiny_trained, tmp_path_factory):
    """Results of a test of the tiny detector."""
    folder = tmp_path_factory.mktemp('tested')
    launch.test(
        [str(tiny_trained.config), str(tiny_trained.checkpoint), '--work-dir', str(folder),
         '--out', str(folder / 'results.jsonl')]
    )  # fmt: skip
    return folder / 'results.jsonl'


@pytest.fixture(scope='module')
def policy(results, tmp_path_factory):
    """A policy of the tiny detector, as if many parts had been tested, with a low threshold."""
    tested = ResultsFile(results)
    path = tmp_path_factory.mktemp('policy') / 'calibration.jsonl'
    header = ResultsHeader(
        model=tested.header.model, classes=tested.header.classes, inference=tested.header.inference
    )
    best = sorted(max(image.scores.values(), default=0.0) for image in tested)[-2]
    images = (
        ImageScores(
            image=f'{number}.png', sha256=f'{number:064x}', truth=['chip'] if number < 80 else [],
            scores={'chip': best if number < 80 else 0.0},
        )
        for number in range(160)
    )  # fmt: skip
    write_results(path, header, images)
    report = report_thresholds(collect_parts(ResultsFile(path)), ThresholdGoal(0.95, 0.95))
    report.policy.save(path.with_name('policy.json'))
    return path.with_name('policy.json')


def lines(out):
    first, *rest = (out / 'decisions.jsonl').read_text(encoding='utf-8').splitlines()
    return [json.loads(line) for line in rest]


def test_from_checkpoint_to_decisions(tiny_trained, results, policy, tmp_path):
    out = tmp_path / 'out'
    arguments = (
        tiny_trained.data / 'images', '--model', tiny_trained.checkpoint, '--policy', policy,
        '--out', out,
    )  # fmt: skip
    done = call(*arguments)
    assert done.exit_code == 0 and '8 images of 8 parts' in done.stdout and not done.stderr
    tested = {image.image: image.scores for image in ResultsFile(results)}
    written = {image.image: image.scores for image in ResultsFile(out / 'results.jsonl')}
    assert written.keys() == tested.keys()
    for path, scores in written.items():
        assert scores == pytest.approx(tested[path], abs=1e-5)
    limit = ThresholdPolicy.load(policy).thresholds['chip'].hold
    clear = [max(s.values(), default=0) for s in tested.values()]
    outcomes = [line['outcome'] for line in lines(out)]
    assert len(outcomes) == 8 and outcomes.count('FAIL') >= 1 and 'PASS' in outcomes
    assert abs(outcomes.count('FAIL') - sum(score > limit + 1e-5 for score in clear)) <= 2
    pictures = list((out / 'pictures' / 'FAIL').glob('*.jpg'))
    assert len(pictures) == outcomes.count('FAIL')
    assert cv2.imread(str(pictures[0])).shape == (88, 320, 3)
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['policy'] == file_sha256(policy) and summary['inspected'] == 8
    # Once more: nothing is left to do.
    done = call(*arguments, '--json', '--strict')
    again = json.loads(done.stdout)
    assert done.exit_code == 1 and again['inspected'] == 0
    assert again['outcomes'] == summary['outcomes']


def test_thresholds_know_what_the_model_has_seen(tiny_trained, results, tmp_path):
    def thresholds(path):
        arguments = ['thresholds', str(path), '--target-recall', '.3', '--rounds', '1', '--json']
        return CliRunner().invoke(app, arguments)

    done = thresholds(results)
    assert done.exit_code == 1 and 'trained on 8 of 8 calibration parts' in done.stderr
    # The same checkpoint without the manifest of its training.
    checkpoint = tmp_path / 'copied.pth'
    shutil.copy(tiny_trained.checkpoint, checkpoint)
    launch.test(
        [str(tiny_trained.config), str(checkpoint), '--work-dir', str(tmp_path / 'work'), '--out',
         str(tmp_path / 'results.jsonl')]
    )  # fmt: skip
    content = json.loads(thresholds(tmp_path / 'results.jsonl').stdout)
    assert content['certified'] and content['overlap_with_training'] == 'unknown'


def test_an_unreadable_image_and_parts(tiny_trained, policy, tmp_path):
    folder = tmp_path / 'line'
    folder.mkdir()
    for index in range(3):
        shutil.copy(tiny_trained.data / f'images/00{index}.png', folder / f'p{index}_v0.png')
    (folder / 'p1_v1.png').write_bytes((folder / 'p1_v0.png').read_bytes()[:500])
    (folder / 'notes.txt').touch()
    done = call(
        folder, '--model', tiny_trained.checkpoint, '--policy', policy, '--out', tmp_path / 'out',
        '--part-pattern', r'(?P<part>[^/]+)_v\d', '--draw', 'all', '--views', 2,
    )  # fmt: skip
    assert done.exit_code == 0 and '4 images of 3 parts' in done.stdout
    assert '1 file passed over' in done.stdout and 'PASS 0' in done.stdout
    assert '1 image could not be inspected, on HOLD: ' in done.stderr
    assert 'mean number of images is 1, and here it is 1.33' in done.stderr
    found = {line['part']: line for line in lines(tmp_path / 'out')}
    assert found['p1']['outcome'] in ('HOLD', 'FAIL')
    assert [image['readable'] for image in found['p1']['images']] == [True, False]
    assert len(list((tmp_path / 'out' / 'pictures').rglob('*.jpg'))) == 3


def test_results_only_then_thresholds_say_what_is_missing(tiny_trained, tmp_path):
    out = tmp_path / 'out'
    done = call(
        tiny_trained.data / 'images' / '000.png', tiny_trained.data / 'images' / '001.png',
        '--model', tiny_trained.checkpoint, '--config', tiny_trained.config, '--out', out,
        '--amp', '--tile', 48, 48, '--overlap', 0.25, '--merge', 'nmm', '--batch-size', 3,
    )  # fmt: skip
    assert done.exit_code == 0 and 'no decisions without --policy' in done.stdout
    header = ResultsFile(out / 'results.jsonl').header
    assert header.inference['amp'] is True
    assert header.inference['tiles']['merge'] == {'method': 'nmm'}
    assert header.training is not None and len(header.training.images) == 8
    assert not (out / 'decisions.jsonl').exists() and not (out / 'pictures').exists()


def test_what_is_refused(tiny_trained, policy, tmp_path):
    images, out = tiny_trained.data / 'images', tmp_path / 'out'
    model = ('--model', tiny_trained.checkpoint, '--out', out)
    edited = tmp_path / 'edited.json'
    edited.write_text(policy.read_text().replace('"hold": 0.', '"hold": 0.0'))
    newer = tmp_path / 'newer.json'
    newer.write_text(policy.read_text().replace('mmdefect-policy/1', 'mmdefect-policy/2'))
    other = tmp_path / 'other.pth'
    other.write_bytes(b'another model')
    for arguments, reason in (
        ((images, *model, '--policy', edited), 'edited since it was written'),
        ((images, *model, '--policy', newer), 'newer mmdefect'),
        ((images, *model, '--policy', tmp_path / 'none.json'), 'cannot be read'),
        (
            (images, '--model', other, '--config', tiny_trained.config, '--out', out,
             '--policy', policy),
            'belongs to model',
        ),
        ((images, *model, '--policy', policy, '--amp'), 'made with amp=false, and this run'),
        ((images, *model, '--policy', policy, '--tile', 32, 32), 'made with tiles'),
        (
            (images, *model, '--policy', policy, '--cfg-options', 'model.test_cfg.score_thr=.3'),
            'made with test_cfg.score_thr=',
        ),
        ((tmp_path / 'none', *model), 'no such image or folder'),
        ((images, '--model', tmp_path / 'none.pth', '--out', out), 'no such'),
        ((images, *model, '--draw', 'all'), '--draw needs decisions; give --policy too'),
        ((images, *model, '--strict'), '--strict needs decisions'),
        ((images, *model, '--merge', 'nms'), 'give --tile W H too'),
        ((images, *model, '--part-pattern', '('), 'part pattern'),
    ):  # fmt: skip
        with pytest.raises(InputError, match=reason):
            call(*arguments)
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='Windows has no SIGKILL')
def test_killed_and_resumed(tiny_trained, policy, tmp_path):
    folder, out = tmp_path / 'images', tmp_path / 'out'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(600):
        pixels = rng.integers(90, 120, (64, 64, 3), np.uint8)
        cv2.imwrite(str(folder / f'p{number // 2:03d}_v{number % 2}.png'), pixels)
    (folder / 'p007_v0.png').write_text('no image')
    command = [
        sys.executable, '-c', 'from mmdefect.cli import main; main()', 'inspect', folder,
        '--model', tiny_trained.checkpoint, '--policy', policy, '--out', out,
        '--part-pattern', r'(?P<part>[^/]+)_v\d', '--json',
    ]  # fmt: skip
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    kills = 0
    results = out / 'results.jsonl'
    for _ in range(20):
        size = results.stat().st_size if results.exists() else 0
        process = subprocess.Popen(
            [*map(str, command)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        # Let it do some images, then kill it wherever it is.
        wanted = size + int(rng.integers(2_000, 60_000))
        while process.poll() is None and kills < 3:
            if results.exists() and results.stat().st_size > wanted:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.002)
        printed, said = process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said
    assert kills == 3
    summary = json.loads(printed)
    names = [image.image for image in ResultsFile(results)]
    assert len(names) == len(set(names)) == 599
    parts = [line['part'] for line in lines(out)]
    assert len(parts) == len(set(parts)) == summary['parts'] == 300
    assert summary['inspected'] < 590 and len(summary['unreadable']) == 1
    assert sum(summary['outcomes'].values()) == 300
    held = next(line for line in lines(out) if line['part'] == 'p007')
    assert held['outcome'] != 'PASS' and 'p007_v0.png' in held['reason']


def test_a_model_of_several_views_is_refused_before_anything_is_written(tiny_trained, tmp_path):
    out = tmp_path / 'out'
    config = tmp_path / 'views.py'
    config.write_text(
        f'_base_ = [{str(tiny_trained.config)!r}]\n'
        "test_dataloader = dict(dataset=dict(pipeline=[dict(type='mmdefect.PerView')]))\n"
    )
    with pytest.raises(InputError, match='several views of a part'):
        call(
            tiny_trained.data / 'images', '--model', tiny_trained.checkpoint, '--config', config,
            '--out', out,
        )  # fmt: skip
    assert not out.exists()
