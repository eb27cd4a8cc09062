from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from mmdefect.cli import app
from mmdefect.decision import (
    ImageScores,
    ResultsHeader,
    ThresholdPolicy,
    TrainingManifest,
    write_results,
)
from mmdefect.errors import InputError


def run(*arguments):
    result = CliRunner().invoke(app, ['thresholds', *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def results(tmp_path):
    def write(defective=80, good=80, high=0.8, training=None):
        path = tmp_path / 'results.jsonl'
        write_results(
            path,
            ResultsHeader(model='a' * 64, classes=['rust', 'pit'], training=training),
            (
                ImageScores(
                    image=f'{index}.png',
                    sha256=f'{index:064x}',
                    truth=['rust'] if index < defective else [],
                    scores={'rust': (high if index < defective else 0.2) + index % 10 / 100},
                )
                for index in range(defective + good)
            ),
        )
        return path

    return write


def test_tables_and_policy(results, tmp_path):
    out = tmp_path / 'policy.json'
    done = run(results(), '--out', out)
    assert done.exit_code == 0
    for text in ('80 defective, 80 good', 'certified: recall at least 0.9632', 'redraws', 'unknown',
                 str(out), 'Other thresholds'):  # fmt: skip
        assert text in done.output
    assert ThresholdPolicy.load(out).thresholds['rust'].hold == 0.8


def test_json(results):
    done = run(results(), '--json', '--beta', 2, '--fail-precision', 0.9)
    content = json.loads(done.stdout)
    assert done.exit_code == 0 and content['certified'] is True
    assert content['certificates'][0]['threshold'] == 0.8
    assert content['part']['recall'] == content['part']['precision'] == 1


def test_thin_evidence(results):
    done = run(results(40), '--json')
    content = json.loads(done.stdout)
    assert done.exit_code == 1 and content['certified'] is False
    assert content['largest_recall'] == pytest.approx(0.05 ** (1 / 40))
    assert 'not certified' in done.stderr and '59 defective parts' in done.stderr
    assert run(results(40), '--target-recall', 0.9).exit_code == 0
    assert run(results(), '--per-class').exit_code == 1


def test_overlap_writes_nothing(results, tmp_path):
    training = TrainingManifest(images=[f'{3:064x}'])
    out = tmp_path / 'policy.json'
    done = run(results(training=training), '--out', out)
    assert done.exit_code == 1 and not out.exists()
    assert '1 of 160 calibration parts were trained on' in done.stderr


def test_blind_model(results):
    done = run(results(high=0.2))
    assert done.exit_code == 1 and 'no better than flagging all' in done.output


def test_no_good_parts(results):
    done = run(results(good=0))
    assert done.exit_code == 0 and 'nothing can be said without good parts' in done.output
    assert run(results(good=0), '--max-false-alarms', 20).exit_code == 1


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (('--target-recall', 95), 'target_recall must be between 0 and 1, got 95'),
        (('--cost-miss', 50), 'cost_alarm must be given'),
        (('--beta', 2, '--max-false-alarms', 5), 'only one of'),
        (('--fail-precision', 2), '--fail-precision must be'),
    ],
)
def test_bad_options(results, options, reason):
    with pytest.raises(InputError, match=reason):
        run(results(), *options)


def test_the_evidence_is_not_replaced(results):
    path = results()
    before = path.read_bytes()
    with pytest.raises(InputError, match='results.jsonl: holds something else already'):
        run(path, '--out', path)
    assert path.read_bytes() == before


def test_bad_file(tmp_path):
    path = tmp_path / 'results.jsonl'
    path.write_text('{}\n')
    with pytest.raises(InputError, match='line 1 is no header'):
        run(path)
