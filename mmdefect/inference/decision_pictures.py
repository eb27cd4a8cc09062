"""Pictures of what an inspection found, sorted into folders by decision."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.decision import ThresholdPolicy, reaches
from mmdefect.drawing import draw_verdict
from mmdefect.fileio import write_bytes
from mmdefect.inference.part_decision import ImageDecision, PartDecision

__all__ = ['DRAW_CHOICES', 'picture_path', 'wanted_pictures', 'write_picture']

DRAW_CHOICES = ('none', 'fail-hold', 'all')


def wanted_pictures(decision: PartDecision, draw: str) -> list[ImageDecision]:
    """Choose which images of a part are drawn.

    Args:
        decision (PartDecision): Of the part.
        draw (str): ``none``; ``fail-hold``: of parts that do not pass, images that show why; or
            ``all``.

    Returns:
        list[ImageDecision]: Readable ones.

    Example:
        >>> image = ImageDecision('a.png', 'PASS', '')
        >>> part = PartDecision('p', 'PASS', '', None, 0.1, None, (image,))
        >>> len(wanted_pictures(part, 'all')), len(wanted_pictures(part, 'fail-hold'))
        (1, 0)
    """
    if draw == 'none' or (draw == 'fail-hold' and decision.outcome == 'PASS'):
        return []
    return [
        image
        for image in decision.images
        if image.readable and (draw == 'all' or image.outcome != 'PASS')
    ]


def picture_path(folder: Path, outcome: str, image: str, sha256: str) -> Path:
    """Where the picture of an image goes.

    Args:
        folder (Path): Folder of pictures.
        outcome (str): Decision on its part, the name of the subfolder.
        image (str): Its path; the name of its file begins the name of the picture.
        sha256 (str): Its hash, which tells files of the same name apart.

    Returns:
        Path: A JPEG file.

    Example:
        >>> picture_path(Path('pictures'), 'FAIL', 'x/a.png', 'ab12cd34ef').as_posix()
        'pictures/FAIL/a-ab12cd34.jpg'
    """
    return folder / outcome / f'{Path(image).stem}-{sha256[:8]}.jpg'


def write_picture(
    target: Path,
    pixels: npt.NDArray[np.uint8],
    image: ImageDecision,
    part: PartDecision,
    boxes: npt.ArrayLike,
    policy: ThresholdPolicy,
    classes: tuple[str, ...],
) -> None:
    """Draw an image with the boxes that reach the threshold of their class.

    Args:
        target (Path): File to write.
        pixels (np.ndarray): ``(h, w, 3)`` uint8, BGR.
        image (ImageDecision): What the image says.
        part (PartDecision): What becomes of its part; that of a part of several images is named.
        boxes (array): ``x1, y1, x2, y2``, class index and score, shape (n, 6).
        policy (ThresholdPolicy): The thresholds.
        classes (tuple[str, ...]): Class names by index.

    Raises:
        InputError: The file cannot be written.
    """
    rows = np.asarray(boxes, np.float64).reshape(-1, 6)
    labels = rows[:, 4].astype(np.int64)
    limits = np.array([policy.thresholds[name].hold for name in classes])
    shown = reaches(rows[:, 5], limits[labels]) if len(rows) else np.zeros(0, bool)
    several = f' (part {part.part}: {part.outcome})' if len(part.images) > 1 else ''
    picture = draw_verdict(
        pixels, image.outcome, f'{image.reason}{several}', rows[shown, :4], labels[shown],
        rows[shown, 5], classes,
    )  # fmt: skip
    write_bytes(target, cv2.imencode('.jpg', picture)[1].tobytes())
