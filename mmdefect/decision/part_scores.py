"""The images of a results file, pooled into parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.decision.image_scores import ImageScores
from mmdefect.decision.pooling import Pooling
from mmdefect.decision.results_file import ResultsFile, ResultsHeader
from mmdefect.errors import InputError

__all__ = ['PartScores', 'collect_parts']


@dataclass(frozen=True, slots=True, eq=False)
class PartScores:
    """P labelled parts with one score per class; made by :func:`collect_parts`.

    Args:
        header (ResultsHeader): Model, C classes and what the model was trained on.
        pooling (Pooling): How images became parts.
        names (tuple[str, ...]): P part ids; the path of the image where it is its own part.
        part_ids (tuple[str | None, ...]): P part ids; None where the image is its own part.
        image_hashes (tuple[tuple[str, ...], ...]): SHA-256 of the images of each part.
        scores (np.ndarray): float64, shape (P, C).
        truth (np.ndarray): Which classes a part shows, bool, shape (P, C).
        images (int): Images of these parts.
        left_out (int): Parts left out, as an image of theirs is not labelled.

    Example:
        >>> len(PartScores.__dataclass_fields__)
        9
    """

    header: ResultsHeader
    pooling: Pooling
    names: tuple[str, ...]
    part_ids: tuple[str | None, ...]
    image_hashes: tuple[tuple[str, ...], ...]
    scores: npt.NDArray[np.float64]
    truth: npt.NDArray[np.bool_]
    images: int
    left_out: int

    @property
    def part_scores(self) -> npt.NDArray[np.float64]:
        """Highest score of any class, shape (P,)."""
        return self.scores.max(axis=1)

    @property
    def defective(self) -> npt.NDArray[np.bool_]:
        """Which parts show any class, shape (P,)."""
        return np.any(self.truth, axis=1)

    @property
    def too_small(self) -> int:
        """Parts with fewer images than must show a defect: they score 0 and always pass."""
        return sum(len(hashes) < self.pooling.n for hashes in self.image_hashes)

    def sha256(self) -> str:
        """Hash of the calibration list: parts, images and truth, in whatever order they came.

        Returns:
            str: 64 hexadecimal digits.
        """
        lines = sorted(
            '\t'.join((repr(name), *sorted(hashes), *map(str, np.flatnonzero(truth))))
            for name, hashes, truth in zip(self.names, self.image_hashes, self.truth, strict=True)
        )
        return hashlib.sha256('\n'.join(lines).encode()).hexdigest()


def collect_parts(results: ResultsFile, pooling: Pooling | None = None) -> PartScores:
    """Pool the images of a results file into parts.

    A part shows the classes that any of its images shows. A part with an image that nobody has
    labelled is left out, and counted.

    Args:
        results (ResultsFile): The file.
        pooling (Pooling | None): How images become parts. Default None, the highest score.

    Returns:
        PartScores: The labelled parts, in order of their first image.

    Raises:
        InputError: A line is wrong, an image stands twice, or an image belongs to two parts.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from mmdefect.decision.results_file import write_results
        >>> path = Path(tempfile.mkdtemp()) / 'results.jsonl'
        >>> images = [
        ...     ImageScores(image='a.png', sha256='0' * 64, part='p', truth=[]),
        ...     ImageScores(image='b.png', sha256='1' * 64, part='p', truth=['rust'],
        ...                 scores={'rust': 0.1}),
        ... ]
        >>> write_results(path, ResultsHeader(model='0' * 64, classes=['rust']), images)
        2
        >>> parts = collect_parts(ResultsFile(path))
        >>> parts.names, parts.scores.tolist(), parts.truth.tolist()
        (('p',), [[0.1]], [[True]])
    """
    pooling = pooling or Pooling()
    classes = results.header.classes
    index = {name: number for number, name in enumerate(classes)}
    by_part: dict[tuple[bool, str], _Part] = {}
    owners: dict[str, tuple[tuple[bool, str], str]] = {}
    paths: set[str] = set()
    for image in results:
        key = (image.part is not None, image.part or image.image)
        if image.image in paths:
            raise InputError(f'{results.path}: image {image.image!r} stands twice; keep one line')
        paths.add(image.image)
        owner, other = owners.setdefault(image.sha256, (key, image.image))
        if owner != key:
            raise InputError(
                f'{results.path}: {other!r} and {image.image!r} have the same content and are of '
                'different parts, which would count one part twice; keep one'
            )
        by_part.setdefault(key, _Part()).add(image, index)
    kept = {key: part for key, part in by_part.items() if part.labelled}
    shape = (len(kept), len(classes))
    scores = [pooling.pool(np.array(part.scores)) for part in kept.values()]
    return PartScores(
        header=results.header,
        pooling=pooling,
        names=tuple(name for _, name in kept),
        part_ids=tuple(name if named else None for named, name in kept),
        image_hashes=tuple(tuple(part.hashes) for part in kept.values()),
        scores=np.array(scores, np.float64).reshape(shape),
        truth=np.array(
            [[number in part.truth for number in range(len(classes))] for part in kept.values()],
            bool,
        ).reshape(shape),
        images=sum(len(part.hashes) for part in kept.values()),
        left_out=len(by_part) - len(kept),
    )


class _Part:
    """A part as its images come."""

    __slots__ = ('hashes', 'labelled', 'scores', 'truth')

    def __init__(self) -> None:
        self.hashes: list[str] = []
        self.scores: list[npt.NDArray[np.float64]] = []
        self.truth: set[int] = set()
        self.labelled = True

    def add(self, image: ImageScores, index: dict[str, int]) -> None:
        row = np.zeros(len(index))
        for name, score in image.scores.items():
            row[index[name]] = score
        self.scores.append(row)
        self.hashes.append(image.sha256)
        if image.truth is None:
            self.labelled = False
        else:
            self.truth.update(index[name] for name in image.truth)
