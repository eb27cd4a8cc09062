"""Damaged data sets through every reader; benchmarks/fuzz_readers.py does the same at length."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.datasets.format_names import FORMATS
from mmdefect.datasets.readers import BaseReader
from mmdefect.errors import InputError
from mmdefect.structures import ImageRecord, Problem

sys.path.append(str(Path(__file__).resolve().parents[3] / 'benchmarks'))

import reader_judge  # noqa: E402
from file_mutations import apply, mutate, restore  # noqa: E402
from reader_samples import make_samples  # noqa: E402

SAMPLES = make_samples()


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Each sample written to its own folder."""
    folders = {name: tmp_path_factory.mktemp(name.replace(' ', '_')) for name in SAMPLES}
    for name, folder in folders.items():
        SAMPLES[name].write(folder)
    return folders


def test_every_format_has_a_sample():
    assert {sample.source_format for sample in SAMPLES.values()} == set(FORMATS)


@pytest.mark.parametrize('on_error', ['raise', 'drop'])
@pytest.mark.parametrize('name', SAMPLES)
def test_the_samples_themselves_are_read(roots, name, on_error):
    assert reader_judge.answer(SAMPLES[name], roots[name], on_error).outcome == 'read'


@pytest.mark.parametrize('name', SAMPLES)
@settings(max_examples=25, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_damage_is_read_or_refused_in_one_line(roots, name, random):
    sample, root = SAMPLES[name], roots[name]
    file = random.choice(sorted(sample.files))
    mutation, damage = mutate(file, sample.files[file], random)
    apply(root / file, damage)
    try:
        for on_error in ('raise', 'drop'):
            found = reader_judge.answer(sample, root, on_error)
            assert found.outcome != 'failed', (mutation, file, on_error, found.detail)
    finally:
        restore(root / file, sample.files[file])


def test_damage_is_of_many_kinds_and_mostly_changes_something():
    data = SAMPLES['cvat'].files['annotations.xml']
    found = [mutate('annotations.xml', data, Random(number)) for number in range(400)]
    kinds = Counter(kind for kind, _ in found)
    assert len(kinds) > 20
    assert {'xml_doctype', 'xml_deep', 'truncate', 'folder', 'encode'} <= set(kinds)
    assert sum(damage != data for _, damage in found) > 350


class Broken(BaseReader):
    """A reader with whatever fault a test gives it."""

    def __init__(self, root, fault):
        super().__init__(str(root), 'drop')
        self.fault = fault

    def read(self):
        if isinstance(self.fault, Exception):
            raise self.fault
        if isinstance(self.fault, Problem):
            self.problems.append(self.fault)
        boxes = np.array([self.fault.get('box', [1, 2, 3, 4])], self.fault.get('dtype', 'float32'))
        for _ in range(self.fault.get('times', 1)):
            yield ImageRecord(
                Path(self.name) / 'a.png', 7, self.fault.get('width', 8), 6, boxes,
                (self.fault.get('label', 'rust'),), np.zeros(1, bool), (1,),
                extra=self.fault.get('extra', {}),
            )  # fmt: skip


@pytest.mark.parametrize(
    'fault',
    [
        RecursionError('deep'),
        MemoryError(),
        ValueError('no InputError'),
        InputError('names no file'),
        {'box': [1, 2, np.nan, 4]},
        {'box': [1, 2, 1, 4]},
        {'dtype': 'float64'},
        {'width': 0},
        {'width': 8.0},
        {'label': ''},
        {'times': 2},
        {'extra': {'part_id': float('inf')}},
        {'extra': {'part_id': '\ud800'}},
    ],
)
def test_the_judge_finds_faults(tmp_path, monkeypatch, fault):
    monkeypatch.setattr(reader_judge, 'open_reader', lambda *_, **__: Broken(tmp_path, fault))
    assert reader_judge.answer(SAMPLES['voc'], tmp_path, 'drop').outcome == 'failed'


def test_the_judge_accepts_what_is_right(tmp_path, monkeypatch):
    for fault, outcome in (({}, 'read'), (InputError(f'{tmp_path}/a.xml: cut'), 'refused')):
        monkeypatch.setattr(
            reader_judge, 'open_reader', lambda *_, fault=fault, **__: Broken(tmp_path, fault)
        )
        assert reader_judge.answer(SAMPLES['voc'], tmp_path, 'drop').outcome == outcome


SCRIPT = """
import sys
sys.path.insert(0, {benchmarks!r})
import fuzz_readers
from mmdefect.datasets.readers import VOCReader
read_one = VOCReader._read_one
def damaged_only(self, stem, xml_files, images):
    if b'</annotation>' not in xml_files[stem][0].read_bytes():
        raise KeyError(stem)
    return read_one(self, stem, xml_files, images)
if {faulty!r}:
    VOCReader._read_one = damaged_only
sys.argv = ['fuzz_readers.py', '--files', '120', '--formats', 'voc', 'folder', '--keep', {keep!r}]
sys.exit(fuzz_readers.main())
"""


@pytest.mark.slow
@pytest.mark.parametrize('faulty', [False, True])
def test_the_script_saves_what_fails(tmp_path, faulty):
    kept = tmp_path / 'kept'
    benchmarks = str(Path(reader_judge.__file__).parent)
    code = SCRIPT.format(benchmarks=benchmarks, faulty=faulty, keep=str(kept))
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == int(faulty), done.stderr
    assert '| folder | 60 |' in done.stdout
    assert kept.exists() == faulty
    if faulty:
        assert "on_error='raise': KeyError" in done.stderr
        assert all((case / 'annotations').is_dir() for case in kept.iterdir())
