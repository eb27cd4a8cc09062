import numpy as np
import pytest

from mmdefect.datasets.audit import KINDS, Finding, FindingList


def of(kind, where='a', *classes):
    return Finding(kind, where, 'what', classes=classes)


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match='kind must be one of'):
        of('leek')


def test_limit_must_be_positive():
    with pytest.raises(ValueError, match='limit must be 1 or more, got 0'):
        FindingList(0)


def test_every_kind_has_all_texts():
    for key, kind in KINDS.items():
        assert kind.severity in ('problem', 'note'), key
        assert kind.about.endswith('.') and not kind.mend.endswith('.'), key
        assert kind.title and kind.mend, key


def test_counts_go_on_beyond_the_limit():
    found = FindingList(limit=2)
    for number in range(5):
        found.add(of('leak', str(number), 'rust'))
    found.add(of('near-duplicate'))
    assert [item.where for item in found.of('leak')] == ['0', '1']
    assert found.total('problem') == 5 and found.total('note') == 1
    assert found.per_class['leak'] == {'rust': 5}
    assert found.kinds() == ['leak', 'near-duplicate'] and len(found) == 3


def test_ranked_findings_are_made_worst_first_and_only_those_kept():
    found = FindingList(limit=3)
    made = []

    def make(number):
        made.append(number)
        return of('cut-box', str(number))

    found.add_ranked(
        'cut-box', np.array([0.1, 0.9, 0.5, 0.9]), make, [np.array([0, 1, 1, 0])], 'xy'
    )
    assert made == [1, 3, 2]
    assert found.totals['cut-box'] == 4
    assert found.per_class['cut-box'] == {'x': 2, 'y': 2}


def test_two_classes_of_a_finding_count_each_once():
    found = FindingList()
    labels = [np.array([0, 1]), np.array([0, 2])]
    found.add_ranked(
        'two-classes-one-box', np.zeros(2), lambda n: of('leak', str(n)), labels, 'abc'
    )
    assert found.per_class['two-classes-one-box'] == {'a': 1, 'b': 1, 'c': 1}


def test_nothing_found_leaves_no_kind():
    found = FindingList()
    found.add_ranked('leak', np.zeros(0), of)
    assert found.kinds() == [] and found.totals['leak'] == 0


def test_dict_is_plain():
    content = of('leak', 'a.png', 'rust').as_dict()
    assert content['severity'] == 'problem' and content['classes'] == ['rust']
    assert content['mend'] == KINDS['leak'].mend and content['boxes'] == []
