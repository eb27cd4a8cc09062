"""The scores of one image, a line of a results file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from mmdefect.decision.training_manifest import Sha256
from mmdefect.errors import InputError

__all__ = ['ImageScores', 'Score']

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, Annotated[int, Field(ge=0)], Score]


class ImageScores(BaseModel):
    """What a model says about one image, and what is true.

    Args:
        image (str): Path of the image file.
        sha256 (str): SHA-256 of the file, 64 hexadecimal digits.
        part (str | None): Part that the image shows; None if the image is its own part. Default
            None.
        truth (tuple[str, ...] | None): Classes that the image shows, () on a good image; None if
            nobody has labelled it. Default None.
        scores (dict[str, float]): Highest score per class, 0 to 1; a class that is absent scores
            0, nothing was detected. Default empty.
        boxes (tuple[tuple, ...] | None): Detections, each ``x1, y1, x2, y2`` in pixels, index of
            the class and score; None if not kept. Default None.

    Raises:
        ValidationError: A key is missing, unknown or of another type (a ``ValueError``).

    Example:
        >>> ImageScores(image='a.png', sha256='0' * 64, truth=['rust'], scores={'rust': 0.9}).line()
        '{"image":"a.png","sha256":"0000...0000","truth":["rust"],"scores":{"rust":0.9}}'
    """

    model_config = ConfigDict(extra='forbid', frozen=True, strict=True)

    image: Annotated[str, Field(min_length=1)]
    sha256: Sha256
    part: Annotated[str, Field(min_length=1)] | None = None
    truth: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    scores: dict[str, Score] = {}
    boxes: Annotated[tuple[Box, ...], Field(strict=False)] | None = None

    @classmethod
    def from_detections(
        cls,
        image: str,
        sha256: str,
        classes: Sequence[str],
        labels: npt.ArrayLike,
        scores: npt.ArrayLike,
        *,
        boxes: npt.ArrayLike | None = None,
        part: str | None = None,
        truth: Sequence[str] | None = None,
    ) -> ImageScores:
        """Keep the highest score per class.

        Args:
            image (str): Path of the image file.
            sha256 (str): SHA-256 of the file.
            classes (Sequence[str]): Class names by index.
            labels (np.ndarray): Index of each detection's class, int, shape (N,).
            scores (np.ndarray): Score of each detection, 0 to 1, shape (N,).
            boxes (np.ndarray | None): ``xyxy`` in pixels, shape (N, 4), to keep them too. Default
                None.
            part (str | None): Part that the image shows. Default None.
            truth (Sequence[str] | None): Classes that the image shows. Default None, unknown.

        Returns:
            ImageScores: The line.

        Raises:
            InputError: A score is NaN or not from 0 to 1.

        Example:
            >>> ImageScores.from_detections('a.png', 64 * '0', ['rust'], [0, 0], [0.5, 0.7]).scores
            {'rust': 0.7}
        """
        values, index = np.asarray(scores, np.float64), np.asarray(labels, np.int64)
        bad = values[~((values >= 0) & (values <= 1))]
        if len(bad):
            raise InputError(
                f'{image}: the model gives a score of {bad[0]}, which is not from 0 to 1; check '
                'the checkpoint'
            )
        highest = np.full(len(classes), -1.0)
        np.maximum.at(highest, index, values)
        rows = None
        if boxes is not None:
            corners = np.asarray(boxes, np.float64).reshape(-1, 4).tolist()
            rows = tuple(
                (*box, label, score)
                for box, label, score in zip(corners, index.tolist(), values.tolist(), strict=True)
            )
        return cls(
            image=image,
            sha256=sha256,
            part=part,
            truth=None if truth is None else tuple(truth),
            scores={
                name: score
                for name, score in zip(classes, highest.tolist(), strict=True)
                if score >= 0
            },
            boxes=rows,
        )

    def line(self) -> str:
        """The image as a results file holds it, without the line end.

        Returns:
            str: One JSON object; keys with their default are left out.
        """
        return self.model_dump_json(exclude_defaults=True)
