from __future__ import annotations

import json

import pytest
from PIL import Image
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
    assert 'expected calibration error 0.2' in done.output
    assert ThresholdPolicy.load(out).thresholds['rust'].hold == 0.8


@pytest.mark.parametrize('options', [(), ('--per-class', '--target-recall', 0.9)])
def test_figure(results, tmp_path, options):
    path = results()
    if options:
        rows = path.read_text().replace('"truth":[],', '"truth":["pit"],')
        path.write_text(rows.replace('"scores":{"rust":0.2', '"scores":{"pit":0.2'))
    figure = tmp_path / 'new' / 'a.png'
    done = run(path, '--figure', figure, *options)
    assert done.exit_code == 0 and f'figure: {figure}' in done.output
    assert Image.open(figure).size == (1650, 968 if options else 484)
    with pytest.raises(InputError, match=r'--figure a\.jpg: must end in \.png'):
        run(path, '--figure', 'a.jpg')


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
    assert 'trained on 1 of 160 calibration parts' in done.stderr


def test_blind_model_gets_no_policy(results, tmp_path):
    out = tmp_path / 'policy.json'
    done = run(results(high=0.2), '--out', out)
    assert done.exit_code == 1 and 'no better than flagging all' in done.output
    assert 'policy: not written' in done.output and not out.exists()


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (('--prevalence', 0.02), 'at a prevalence of 0.02 (as given): precision 1.0000, F2 1.0000'),
        (('--beta', 1), 'at a prevalence of 0.5 (as among these parts): precision 1.0000, F1 1.00'),
        (
            ('--cost-miss', 50, '--cost-alarm', 1, '--prevalence', 0.02),
            'F2 1.0000, cost per part 0 (passing all 1, flagging all 0.98)',
        ),
    ],
)
def test_what_was_asked_for_is_said(results, tmp_path, options, said):
    out = tmp_path / 'policy.json'
    done = run(results(), *options, '--out', out)
    assert done.exit_code == 0 and said in done.output
    given = 0.02 if '--prevalence' in options else None
    assert ThresholdPolicy.load(out).evidence.prevalence == given
    there = json.loads(run(results(), *options, '--json').stdout)['certificates'][0]['on_the_line']
    assert there['prevalence'] == (given or 0.5)


def test_classes_against_all_others(results):
    path = results()
    rows = path.read_text().splitlines()
    rows = [rows[0], *(row.replace('"rust"', '"pit"') if at % 2 else row
                       for at, row in enumerate(rows[1:]))]  # fmt: skip
    rows += [row.replace('.png', 'b.png').replace('"sha256":"0', '"sha256":"1') for row in rows[1:]]
    path.write_text('\n'.join(rows))
    done = run(path, '--per-class', '--max-false-alarms', 100)
    assert done.exit_code == 0
    assert 'rust: certified: ' in done.output and 'per 1,000 parts without rust' in done.output
    assert 'against all others, good or with another defect' in done.output.replace('\n', ' ')


def test_parts_with_too_few_images(results):
    path = results()
    with pytest.raises(InputError, match=r'results\.jsonl: a defect shall be seen in 3 images'):
        run(path, '--min-images', 3)
    header, *rows = path.read_text().splitlines()
    rows[1] = rows[1].replace('"sha256"', '"part":"0.png","sha256"')
    rows[0] = rows[0].replace('"sha256"', '"part":"0.png","sha256"')
    path.write_text('\n'.join([header, *rows]))
    done = run(path, '--min-images', 2)
    assert 'fewer than 2 images, so that they score 0 and pass: 158 parts' in done.output


def test_no_labelled_part(results):
    path = results()
    header, *rows = path.read_text().splitlines()
    path.write_text(header + '\n')
    with pytest.raises(InputError, match=r'results\.jsonl: there is no labelled part;'):
        run(path)
    rows = [row.replace('"truth":["rust"],', '').replace('"truth":[],', '') for row in rows]
    path.write_text('\n'.join([header, *rows]))
    with pytest.raises(InputError, match='no labelled part; left out, not labelled: 160'):
        run(path)


def test_lines_fit_a_terminal(results, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    path = results()
    path.write_text(path.read_text().replace('rust', 'rolled-in_scale_of_the_second_kind'))
    done = run(path, '--fail-precision', 0.9, '--target-recall', 0.9)
    tables = [line for line in done.output.splitlines() if line[:1] in '┏┃┡│├└']
    assert tables and max(map(len, tables)) <= 80
    assert not [line for line in tables if '…' in line]


def test_no_good_parts(results):
    done = run(results(good=0))
    assert done.exit_code == 0 and 'nothing can be said without good parts' in done.output
    assert run(results(good=0), '--max-false-alarms', 20).exit_code == 1


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (('--target-recall', 95), '--target-recall must be a share .* 0 and 1, got 95; write .95'),
        (('--confidence', 1), '--confidence must be a share .*, got 1; nothing proves'),
        (('--prevalence', 0), '--prevalence must be a share between 0 and 1, got 0; give a share'),
        (('--cost-miss', 50), '--cost-alarm must be given'),
        (('--beta', 0), '--beta must be above 0'),
        (('--beta', 2, '--max-false-alarms', 5), 'only one of'),
        (('--fail-precision', 2), '--fail-precision must be'),
    ],
)
def test_bad_options(results, options, reason):
    with pytest.raises(InputError, match=reason):
        run(results(), *options)


def test_the_evidence_is_not_replaced(results):
    path = results()
    path = path.rename(path.with_suffix('.json'))
    before = path.read_bytes()
    with pytest.raises(InputError, match='results.json: holds something else already'):
        run(path, '--out', path)
    assert path.read_bytes() == before


def test_bad_file(tmp_path):
    path = tmp_path / 'results.jsonl'
    path.write_text('{}\n')
    with pytest.raises(InputError, match='line 1 is no header'):
        run(path)
    path.write_text('{\n"format": "mmdefect-policy/1"}')
    with pytest.raises(InputError, match='looks like a file of format mmdefect-policy/1'):
        run(path)
    path.write_text('ImageId,ClassId,EncodedPixels\n')
    with pytest.raises(InputError, match='looks like a CSV table'):
        run(path)
