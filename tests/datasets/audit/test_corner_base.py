import numpy as np
import pytest

from mmdefect.datasets.audit import FindingList
from mmdefect.datasets.audit.corner_base import check_corner_base, guess_corner_base

ONE, ZERO, EDGES = (1, 1, 200, 100), (0, 0, 199, 99), (0, 0, 200, 100)


@pytest.mark.parametrize(
    ('corners', 'base'),
    [
        ([ONE] * 3, '1-based'),
        ([ZERO] * 3, '0-based'),
        ([EDGES] * 3, '0-based edges'),
        ([(20, 20, 50, 50)] * 50, 'unknown'),
        ([ONE], 'unknown'),  # four corners are too few
        ([(1, 1, 199, 99)] * 3, 'unknown'),  # stops short on both sides
        ([ONE] * 3 + [(1, 1, 199, 99)] * 20, '1-based'),  # mostly one pixel short, as NEU-DET
        ([ONE] * 30 + [(0, 5, 50, 50)], '1-based'),  # a single slip
        ([ZERO] * 30 + [(1, 1, 50, 50)] * 3, '0-based'),
        ([], 'unknown'),
    ],
)
def test_guess(corners, base):
    table = np.array(corners, float).reshape(-1, 4)
    assert guess_corner_base(table, np.array([[200, 100]] * len(table)).reshape(-1, 2)).base == base


@pytest.mark.parametrize(
    ('one_based', 'corners', 'cure'),
    [
        (True, ONE, None),
        (True, ZERO, 'set one_based=False'),
        (False, ZERO, None),
        (False, EDGES, None),
        (False, ONE, 'set one_based=True'),
        (None, ONE, 'as its format has it'),
        (None, EDGES, None),
    ],
)
def test_guess_against_reader(make_table, make_record, one_based, corners, cure):
    x1, y1, x2, y2 = corners
    shift = 1 if one_based else 0
    rows = [('rust', x1 - shift, y1 - shift, x2, y2)] * 3
    table = make_table(one_based=one_based, train=[make_record('a.xml', rows)])
    found = FindingList()
    guess = check_corner_base(table, found)['train']
    assert guess.low_0 + guess.low_1 == 6
    assert (len(found) == 1) == (cure is not None)
    if cure:
        assert cure in found.of('corner-base')[0].what
