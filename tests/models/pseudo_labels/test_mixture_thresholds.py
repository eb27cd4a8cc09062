from __future__ import annotations

import pytest
import torch

from mmdefect.errors import InputError
from mmdefect.models import MixtureThresholds

CLASSES = ('dent', 'rust')


def make(**settings):
    return MixtureThresholds(CLASSES, True, **{'memory': 32, 'least': 8, 'interval': 1, **settings})


def heaps(low, high, number=16):
    steps = torch.linspace(-0.04, 0.04, number // 2)
    return torch.cat([low + steps, high + steps])


def labelled(scores, label):
    return scores, torch.full((len(scores),), label)


def test_thresholds_follow_each_class_and_keep_their_distances():
    thresholds = make()
    thresholds.observe(*labelled(heaps(0.15, 0.45), 0))
    thresholds.observe(*labelled(heaps(0.5, 0.9), 1))
    thresholds.advance()
    cls = thresholds.of('cls')
    assert 0.25 < cls[0] < 0.35 and 0.65 < cls[1] < 0.75
    torch.testing.assert_close(thresholds.of('initial') - cls, torch.full((2,), 0.05))
    torch.testing.assert_close(thresholds.of('rpn'), cls)


def test_they_move_only_when_an_iteration_begins_that_is_due():
    thresholds = make(interval=3)
    thresholds.advance()
    thresholds.observe(*labelled(heaps(0.15, 0.45), 0))
    for _ in range(2):
        assert thresholds.of('cls').tolist() == pytest.approx([0.35, 0.35])
        thresholds.advance()
    assert thresholds.of('cls').tolist() == pytest.approx([0.35, 0.35])
    thresholds.advance()
    assert thresholds.of('cls')[0] < 0.34 and thresholds.of('cls')[1] == pytest.approx(0.35)


def test_too_few_scores_or_one_heap_leave_the_fixed_thresholds():
    thresholds = make()
    thresholds.observe(*labelled(heaps(0.15, 0.45, number=6), 0))
    thresholds.observe(*labelled(torch.full((20,), 0.2), 1))
    thresholds.advance()
    assert thresholds.of('cls').tolist() == pytest.approx([0.35, 0.35])


def test_limits():
    thresholds = make(lowest_cls=0.3, highest_cls=0.6)
    thresholds.observe(*labelled(heaps(0.05, 0.2), 0))
    thresholds.observe(*labelled(heaps(0.6, 0.95), 1))
    thresholds.advance()
    assert thresholds.of('cls').tolist() == pytest.approx([0.3, 0.6])
    assert thresholds.bottom().tolist() == pytest.approx([0.3, 0.3])


def test_the_ring_keeps_the_last_scores_of_each_class():
    thresholds = make(memory=8)
    for start in (0, 10, 20):
        scores = torch.arange(start, start + 5) / 100
        thresholds.observe(torch.cat([scores, scores[:1]]), torch.tensor([0, 0, 0, 0, 0, 1]))
    kept = sorted(round(value * 100) for value in thresholds.memory[0].tolist())
    assert kept == [12, 13, 14, 20, 21, 22, 23, 24]
    assert thresholds.seen.tolist() == [15, 3]
    assert [round(value * 100) for value in thresholds.memory[1, :3].tolist()] == [0, 10, 20]


def test_more_scores_than_the_ring_holds_at_once():
    thresholds = make(memory=8)
    thresholds.observe(*labelled(torch.arange(20) / 100, 0))
    kept = sorted(round(value * 100) for value in thresholds.memory[0].tolist())
    assert kept == list(range(12, 20))


def test_scores_that_are_not_finite_are_left_out_and_none_is_fine():
    thresholds = make()
    thresholds.observe(torch.tensor([0.5, float('nan'), float('inf')]), torch.tensor([0, 0, 1]))
    thresholds.observe(torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    assert thresholds.seen.tolist() == [1, 0]


def test_a_resumed_training_goes_on_with_the_same_numbers():
    first = make(interval=2)
    for _ in range(3):
        first.advance()
        first.observe(*labelled(heaps(0.15, 0.45), 0))
    second = make(interval=2)
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        assert torch.equal(first.of('cls'), second.of('cls'))
        for thresholds in (first, second):
            thresholds.advance()
            thresholds.observe(*labelled(heaps(0.3, 0.7), 0))
    assert torch.equal(first.memory, second.memory) and first.moved[0] > 0


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(memory=1), 'memory must be an integer >= 2'),
        (dict(least=64), 'least must be at most memory'),
        (dict(interval=0), 'interval must be an integer >= 1'),
        (dict(posterior=1.0), 'posterior must be in'),
        (dict(lowest_cls=0.7, highest_cls=0.5), 'lowest_cls <= highest_cls'),
        (dict(memry=3), "did you mean 'memory'"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings)
