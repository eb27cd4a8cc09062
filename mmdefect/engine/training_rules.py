"""Rules that tell from its numbers when a training goes wrong; pure functions of a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.engine.training_history import History

__all__ = [
    'RULES', 'Finding', 'hard_up_others_down', 'loss_stuck', 'loss_unsteady', 'no_pseudo_labels',
    'noise_up', 'score_drop', 'weak_classes_stuck',
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """What a rule saw.

    Args:
        seen (str): The numbers, in words.
        change (str): What to change.

    Example:
        >>> Finding('the loss is 2', 'lower the learning rate').change
        'lower the learning rate'
    """

    seen: str
    change: str


def score_drop(
    history: History, *, limit: float = 0.05, validations: int = 2, after: int = 1000
) -> Finding | None:
    """The overall score has lain below its best for some validations.

    Args:
        history (History): The training.
        limit (float): How far below, as a share of the best. Default 0.05.
        validations (int): Newest validations that must all lie so low. Default 2.
        after (int): Iterations of warm-up, whose validations do not count. Default 1000.

    Returns:
        Finding | None: None while all is well.

    Example:
        >>> from mmdefect.engine.training_history import Validation
        >>> scores = [Validation(2500, .30), Validation(5000, .28), Validation(7500, .27)]
        >>> score_drop(History(validations=scores)).seen
        'AP .280, .270 in the last 2 validations, 6.7 % or more below the best, .300 at iteration 2500'
    """  # noqa: E501  the text as it is printed
    counted = [
        item for item in history.validations if item.iteration > after and np.isfinite(item.score)
    ]
    newest = counted[-validations:]
    if len(counted) <= validations:
        return None
    best = max(counted, key=lambda item: item.score)
    highest = max(item.score for item in newest)
    if best.score <= 0 or highest > best.score * (1 - limit):
        return None
    return Finding(
        f'AP {_listed(item.score for item in newest)} in the last {validations} validations, '
        f'{100 * (1 - highest / best.score):.1f} % or more below the best, {_share(best.score)} '
        f'at iteration {best.iteration}',
        'lower the learning rate, or raise the thresholds of pseudo labels if there are any; '
        'best_*.pth holds the best weights',
    )


def loss_unsteady(
    history: History, *, limit: float = 0.1, span: int = 5000, allow_fall: bool = True
) -> Finding | None:
    """The means of the loss over windows vary too much.

    Args:
        history (History): The training.
        limit (float): Coefficient of variation of the means (standard deviation over mean).
            Default 0.1.
        span (int): Iterations that are looked at. Default 5000.
        allow_fall (bool): Whether means that fall are compared with the straight line that fits
            them best, and not with their mean: a loss that falls evenly is not unsteady. Default
            True.

    Returns:
        Finding | None: None while all is well.

    Example:
        >>> from mmdefect.engine.training_history import Window
        >>> windows = [Window(500 * n, {'loss': 2 - n % 2}) for n in range(1, 11)]
        >>> loss_unsteady(History(windows=windows)).seen
        'means of the loss over 500 iterations lay between 1.00 and 2.00 in 5000 iterations: they \
vary by 33.3 %'
    """
    means = history.means('loss', span)
    if means is None or means.mean() <= 0:
        return None
    steps = np.arange(len(means))
    slope, start = np.polyfit(steps, means, 1)
    spread = means - (start + slope * steps) if allow_fall and slope < 0 else means
    variation = float(spread.std() / means.mean())
    if variation <= limit:
        return None
    return Finding(
        f'means of the loss over {history.window} iterations lay between {means.min():.2f} and '
        f'{means.max():.2f} in {span} iterations: they vary by {100 * variation:.1f} %',
        'lower the learning rate, lengthen its warm-up, or clip gradients '
        '(optim_wrapper.clip_grad); with pseudo labels, lower unsup_weight',
    )


def loss_stuck(history: History, *, limit: float = 0.0, span: int = 5000) -> Finding | None:
    """The loss does not fall any more.

    Args:
        history (History): The training.
        limit (float): A fall of more than this share, from the first half of the span to the
            second, is a fall. Default 0.
        span (int): Iterations that are looked at. Default 5000.

    Returns:
        Finding | None: None while all is well.

    Example:
        >>> from mmdefect.engine.training_history import Window
        >>> windows = [Window(500 * n, {'loss': 1.5}) for n in range(1, 11)]
        >>> loss_stuck(History(windows=windows)).seen
        'the mean loss went from 1.500 to 1.500 in the last 5000 iterations'
    """
    means = history.means('loss', span)
    if means is None:
        return None
    first, second = _halves(means)
    if second < first * (1 - limit):
        return None
    return Finding(
        f'the mean loss went from {first:.3f} to {second:.3f} in the last {span} iterations',
        'let the learning rate fall, or end the training if it has; if the scores are still low, '
        'look at what reaches the model (mmdefect check, mmdefect browse)',
    )


def weak_classes_stuck(
    history: History, *, limit: float = 0.01, span: int = 10000, weak: float = 0.5
) -> Finding | None:
    """Weak classes have gained nothing for long.

    Args:
        history (History): The training.
        limit (float): A gain in AP of at least this is a gain. Default 0.01.
        span (int): Iterations in which it must come; before the first validation AP counts as 0.
            Default 10000.
        weak (float): A class is weak with an AP below this share of the mean over classes, or
            below ``limit``. Default 0.5.

    Returns:
        Finding | None: None while all is well.

    Example:
        >>> from mmdefect.engine.training_history import Validation
        >>> scores = [Validation(n, .1, {'dent': .2, 'rust': .004}) for n in (5000, 10000)]
        >>> weak_classes_stuck(History(validations=scores)).seen
        'in 10000 iterations these classes gained less than .010 AP: rust .004 (was .000)'
    """
    if not history.validations or history.validations[-1].iteration < span:
        return None
    newest = history.validations[-1]
    known = {name: ap for name, ap in newest.classes.items() if np.isfinite(ap)}
    if not known:
        return None
    bar = max(weak * float(np.mean(list(known.values()))), limit)
    earlier = [item for item in history.validations if item.iteration <= newest.iteration - span]
    before = earlier[-1].classes if earlier else {}
    stuck = []
    for name, ap in known.items():
        start = before.get(name, 0.0)
        start = start if np.isfinite(start) else 0.0
        best = max(item.classes.get(name, 0.0) for item in history.validations[len(earlier) :])
        if ap < bar and best - start < limit:
            stuck.append(f'{name} {_share(ap)} (was {_share(start)})')
    if not stuck:
        return None
    return Finding(
        f'in {span} iterations these classes gained less than {_share(limit)} AP: '
        f'{", ".join(stuck)}',
        'look at their annotations: mmdefect audit names suspicious boxes, tiny ones and images '
        'that contradict each other; more iterations will not mend labels',
    )


def hard_up_others_down(
    history: History, *, limit: float = 0.01, validations: int = 3
) -> Finding | None:
    """Hard classes gain while the others lose.

    Args:
        history (History): The training.
        limit (float): Mean AP gained by the one and lost by the other group. Default 0.01.
        validations (int): From the first to the last of so many. Default 3.

    Returns:
        Finding | None: None while all is well.

    Example:
        >>> from mmdefect.engine.training_history import Validation
        >>> scores = [Validation(n, .2, {'dent': .4 - n / 100, 'rust': n / 100}) for n in (1, 2, 3)]
        >>> hard_up_others_down(History(validations=scores)).seen
        'in the last 3 validations hard classes gained .020 AP (rust .010 to .030) while others \
lost .020 (dent .390 to .370)'
    """
    newest = history.validations[-validations:]
    if len(newest) < max(validations, 2):
        return None
    old, new = newest[0].classes, newest[-1].classes
    names = [name for name in old if np.isfinite([old[name], new.get(name, np.nan)]).all()]
    if not names:
        return None
    middle = np.mean([old[name] for name in names])
    hard = [name for name in names if old[name] < middle]
    others = [name for name in names if old[name] >= middle]
    if not hard:
        return None
    gain = float(np.mean([new[name] - old[name] for name in hard]))
    loss = float(np.mean([old[name] - new[name] for name in others]))
    if gain < limit or loss < limit:
        return None
    moves = [
        ', '.join(f'{name} {_share(old[name])} to {_share(new[name])}' for name in group)
        for group in (hard, others)
    ]
    return Finding(
        f'in the last {validations} validations hard classes gained {_share(gain)} AP '
        f'({moves[0]}) while others lost {_share(loss)} ({moves[1]})',
        'lower gamma of the focal losses (loss_cls.gamma of the heads), by 0.5 at first',
    )


def noise_up(
    history: History, *, limit: float = 0.05, growth: float = 0.5, span: int = 2000
) -> Finding | None:
    """Pseudo labels become noisier.

    Where the unlabelled images have hidden ground truth, the precision of the pseudo labels
    falls. Elsewhere they become many more while the score does not gain.

    Args:
        history (History): The training.
        limit (float): Fall of the mean precision over classes, from the first half of the span
            to the second. Default 0.05.
        growth (float): The same for the number of boxes, as a share. Default 0.5.
        span (int): Iterations that are looked at. Default 2000.

    Returns:
        Finding | None: None while all is well.

    Example:
        >>> from mmdefect.engine.training_history import Window
        >>> windows = [Window(500 * n, {'precision': .9 - n / 10}) for n in range(1, 5)]
        >>> noise_up(History(windows=windows)).seen
        'the precision of the pseudo labels fell from .750 to .550 in the last 2000 iterations'
    """
    change = (
        'raise the thresholds of pseudo labels (semi_train_cfg.thresholds), of the noisy classes '
        'at least; the log has pseudo/precision/<class> and pseudo/count/<class>'
    )
    precision = history.means('precision', span)
    if precision is not None:
        first, second = _halves(precision)
        if first - second < limit:
            return None
        return Finding(
            f'the precision of the pseudo labels fell from {_share(first)} to {_share(second)} in '
            f'the last {span} iterations',
            change,
        )
    counts, scores = history.means('count', span), history.validations[-2:]
    if counts is None or len(scores) < 2 or scores[1].score > scores[0].score:
        return None
    first, second = _halves(counts)
    if first <= 0 or second < first * (1 + growth):
        return None
    return Finding(
        f'pseudo labels went from {first:.2f} to {second:.2f} per iteration in the last {span} '
        f'iterations while AP went from {_share(scores[0].score)} to {_share(scores[1].score)}',
        change,
    )


def no_pseudo_labels(history: History, *, iterations: int = 1000) -> Finding | None:
    """There has been no pseudo label for long.

    Args:
        history (History): The training.
        iterations (int): Iterations in a row. Default 1000.

    Returns:
        Finding | None: None while all is well.

    Example:
        >>> history = History(silent=1000, stages={'floor': 3.2, 'cls': 0.0}, best_score=.31)
        >>> no_pseudo_labels(history).seen
        'no pseudo label for 1000 iterations; boxes of the teacher per iteration lately: 3.2 above \
the score floor, 0 from the threshold cls on; its best score was .310'
    """
    if history.silent < iterations:
        return None
    floor = history.stages.get('floor', 0.0)
    said = [f'{floor:.3g} above the score floor']
    said += [
        f'{count:.3g} from the threshold {name} on'
        for name, count in history.stages.items()
        if name != 'floor'
    ]
    best = (
        '' if history.best_score is None else f'; its best score was {_share(history.best_score)}'
    )
    return Finding(
        f'no pseudo label for {history.silent} iterations; boxes of the teacher per iteration '
        f'lately: {", ".join(said)}{best}',
        'lower the thresholds (semi_train_cfg.thresholds), or train longer on labelled images '
        'first (semi_train_cfg.burn_in)'
        if floor
        else 'the teacher finds nothing at all: train longer on labelled images first '
        '(semi_train_cfg.burn_in)',
    )


RULES: dict[str, Callable[..., Finding | None]] = {
    rule.__name__: rule
    for rule in (
        score_drop, loss_unsteady, loss_stuck, weak_classes_stuck, hard_up_others_down, noise_up,
        no_pseudo_labels,
    )
}  # fmt: skip


def _halves(means: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean of the older and of the newer half; of an odd number the middle one is left out."""
    half = len(means) // 2
    return float(means[:half].mean()), float(means[len(means) - half :].mean())


def _share(value: float) -> str:
    return f'{value:.3f}'.replace('0.', '.', 1) if abs(value) < 1 else f'{value:.3f}'


def _listed(values: Iterable[float]) -> str:
    return ', '.join(map(_share, values))
