"""One thing that an audit points at, and the ranked list of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit.kinds import KINDS

__all__ = ['Finding', 'FindingList', 'Marked']


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """An image of a finding and the boxes in it that the finding is about.

    Args:
        image (int): Row of the image in the audited table.
        boxes (np.ndarray): ``xyxy`` in pixels, float32, shape (N, 4). Default: none.
        classes (tuple[str, ...]): Their N classes. Default: none.
        close (bool): The boxes are to be looked at closely, not the whole image. Default False.
        score (float | None): Score of the last box, which then is a detection and no label.
            Default None: all are labels.

    Example:
        >>> Marked(3).boxes.shape
        (0, 4)
    """

    image: int
    boxes: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    classes: tuple[str, ...] = ()
    close: bool = False
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One finding of an audit.

    Args:
        kind (str): A key of :data:`~mmdefect.datasets.audit.kinds.KINDS`, which says how severe
            it is and how to mend it.
        where (str): Image or file, and the annotation where there is one.
        what (str): What was found, with the numbers that led to it.
        split (str): Split it lies in; two joined by ``' / '``; empty for the whole data set.
            Default empty.
        classes (tuple[str, ...]): Classes concerned. Default: none.
        marked (tuple[Marked, ...]): Images to look at. Default: none.

    Raises:
        ValueError: There is no such kind.

    Example:
        >>> finding = Finding('one-pixel-box', 'a.png, annotation 7', 'box of 1 x 9 pixels')
        >>> finding.severity, finding.as_dict()['where']
        ('problem', 'a.png, annotation 7')
    """

    kind: str
    where: str
    what: str
    split: str = ''
    classes: tuple[str, ...] = ()
    marked: tuple[Marked, ...] = ()

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in KINDS:
            raise ValueError(f'kind must be one of {", ".join(KINDS)}, got {self.kind!r}')

    @property
    def severity(self) -> str:
        """``problem`` or ``note``."""
        return KINDS[self.kind].severity

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it.

        Returns:
            dict[str, Any]: ``kind``, ``severity``, ``split``, ``where``, ``what``, ``mend``,
            ``classes``, and ``boxes``: per image concerned a list of ``xyxy``.
        """
        return {
            'kind': self.kind,
            'severity': self.severity,
            'split': self.split,
            'where': self.where,
            'what': self.what,
            'mend': KINDS[self.kind].mend,
            'classes': list(self.classes),
            'boxes': [_rounded(part.boxes) for part in self.marked],
        }


def _rounded(boxes: npt.NDArray[np.float32]) -> list[list[float]]:
    return np.round(boxes.astype(np.float64), 2).tolist()


class FindingList:
    """Findings by kind, the worst of each kept, all of them counted.

    Memory stays bounded whatever the data are like: beyond ``limit`` of a kind nothing but the
    counts is kept.

    Args:
        limit (int): Findings kept of each kind. Default 1000.

    Attributes:
        totals (Counter[str]): Findings per kind, all of them.
        per_class (dict[str, Counter[str]]): The same per kind and class; one that concerns two
            classes counts for both.

    Raises:
        ValueError: ``limit`` is below 1.

    Example:
        >>> found = FindingList(limit=1)
        >>> found.add(Finding('one-pixel-box', 'a.png', '1 x 1', classes=('rust',)))
        >>> found.add(Finding('one-pixel-box', 'b.png', '1 x 2', classes=('rust',)))
        >>> found.totals['one-pixel-box'], found.per_class['one-pixel-box']['rust'], len(found)
        (2, 2, 1)
    """

    def __init__(self, limit: int = 1000) -> None:
        if limit < 1:
            raise ValueError(f'limit must be 1 or more, got {limit}')
        self.limit = limit
        self.totals: Counter[str] = Counter()
        self.per_class: dict[str, Counter[str]] = {}
        self._kept: dict[str, list[Finding]] = {}

    def add(self, finding: Finding) -> None:
        """Add one finding; those of a kind come worst first.

        Args:
            finding (Finding): The finding.
        """
        self._count(finding.kind, 1, dict.fromkeys(finding.classes, 1))
        if len(self._kept.setdefault(finding.kind, [])) < self.limit:
            self._kept[finding.kind].append(finding)

    def add_ranked(
        self,
        kind: str,
        rank: npt.NDArray[Any],
        make: Callable[[int], Finding],
        labels: Sequence[npt.NDArray[Any]] = (),
        classes: Sequence[str] = (),
    ) -> None:
        """Add many findings of a kind, of which only the worst are made.

        Args:
            kind (str): The kind of all of them.
            rank (np.ndarray): Shape (N,); the higher, the worse. Equal ranks keep their order.
            make (Callable[[int], Finding]): Makes finding number 0 to N - 1.
            labels (Sequence[np.ndarray]): Class indices of the findings, arrays of shape (N,);
                two where a finding concerns two classes. Default: none.
            classes (Sequence[str]): Class names by index. Default: none.
        """
        counts: Counter[str] = Counter()
        for number, column in enumerate(labels):
            counted = column if number == 0 else column[column != labels[0]]
            for index, count in enumerate(np.bincount(counted, minlength=1).tolist()):
                if count:
                    counts[classes[index]] += count
        self._count(kind, len(rank), counts)
        kept = self._kept.setdefault(kind, [])
        for index in np.argsort(-rank, kind='stable')[: self.limit - len(kept)].tolist():
            kept.append(make(index))

    def _count(self, kind: str, total: int, per_class: dict[str, int]) -> None:
        if total:
            self.totals[kind] += total
            self.per_class.setdefault(kind, Counter()).update(per_class)

    def kinds(self) -> list[str]:
        """Kinds found, problems first, each in the order of ``KINDS``.

        Returns:
            list[str]: The kinds.
        """
        found = [kind for kind in KINDS if self.totals[kind]]
        return sorted(found, key=lambda kind: KINDS[kind].severity != 'problem')

    def of(self, kind: str) -> list[Finding]:
        """Findings kept of a kind, worst first.

        Args:
            kind (str): The kind.

        Returns:
            list[Finding]: At most ``limit`` of them.
        """
        return self._kept.get(kind, [])

    def total(self, severity: str) -> int:
        """Count the findings of a severity, kept or not.

        Args:
            severity (str): ``problem`` or ``note``.

        Returns:
            int: How many there are.
        """
        return sum(n for kind, n in self.totals.items() if KINDS[kind].severity == severity)

    def __len__(self) -> int:
        """Number of findings kept."""
        return sum(len(kept) for kept in self._kept.values())
