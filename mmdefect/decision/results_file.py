"""Results files: what a model says about images, one JSON object per line.

The first line is the header, every further one an image::

    {"format": "mmdefect-results/1", "model": SHA256, "classes": [NAME, ...],
     "training": {"format": "mmdefect-training/1", "images": [SHA256, ...], "parts": [ID, ...]},
     "inference": {...}}
    {"image": PATH, "sha256": SHA256, "part": ID, "truth": [NAME, ...], "scores": {NAME: 0.97},
     "boxes": [[x1, y1, x2, y2, class index, score], ...]}

``model`` is the SHA-256 of the checkpoint. ``training`` is absent where nobody knows what the
model was trained on. ``inference`` says how the model was run, as far as scores
depend on it: a policy holds for scores that were made likewise. Of an image only ``image`` and
``sha256`` must be there: without ``part`` it is its own part, without ``truth`` it is not labelled
(``[]`` is a good image), a class without a score was not detected. UTF-8; empty lines are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from mmdefect.decision.file_kind import file_kind
from mmdefect.decision.image_scores import ImageScores
from mmdefect.decision.training_manifest import Sha256, TrainingManifest
from mmdefect.decision.validation import first_problem
from mmdefect.errors import InputError, nearest_name
from mmdefect.fileio import replacing

__all__ = ['RESULTS_FORMAT', 'ResultsFile', 'ResultsHeader', 'write_results']

RESULTS_FORMAT = 'mmdefect-results/1'
# The hashes of a million training images take less.
_LONGEST_LINE = 128 * 1024**2


class ResultsHeader(BaseModel):
    """The first line of a results file.

    Args:
        format (str): ``mmdefect-results/1``; another number, another meaning.
        model (str): SHA-256 of the checkpoint.
        classes (tuple[str, ...]): Class names by index, different ones.
        training (TrainingManifest | None): What the model was trained on. Default None, unknown.
        inference (dict | None): How the model was run, JSON values
            (:func:`mmdefect.engine.inference_settings.inference_settings`). Default None, unknown.

    Raises:
        ValidationError: A key is missing, unknown or of another type (a ``ValueError``).

    Example:
        >>> ResultsHeader(model='0' * 64, classes=['rust']).training is None
        True
    """

    model_config = ConfigDict(extra='forbid', frozen=True, strict=True)

    format: Literal['mmdefect-results/1'] = 'mmdefect-results/1'
    model: Sha256
    classes: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    training: TrainingManifest | None = None
    inference: dict[str, JsonValue] | None = None

    def line(self) -> str:
        """The header as the file holds it, without the line end.

        Returns:
            str: One JSON object.
        """
        return self.model_dump_json(exclude_none=True)


class ResultsFile:
    """A results file, read line by line.

    Args:
        path (str | Path): The file.

    Raises:
        InputError: The file cannot be read, or its first line is no header.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'results.jsonl'
        >>> header = ResultsHeader(model='0' * 64, classes=['rust'])
        >>> write_results(path, header, [ImageScores(image='a.png', sha256='1' * 64)])
        1
        >>> results = ResultsFile(path)
        >>> results.header.classes, [image.image for image in results]
        (('rust',), ['a.png'])
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _, line = next(self._lines(), (1, b''))
        version = re.search(rb'"format"\s*:\s*"mmdefect-results/(\d+)"', line[:1000])
        if version and int(version[1]) > 1:
            raise InputError(
                f'{self.path}: written by a newer mmdefect (results format {int(version[1])}, this '
                'one reads 1); update mmdefect'
            )
        try:
            self.header = ResultsHeader.model_validate_json(line)
        except ValidationError as error:
            kind = file_kind(self._begin())
            if kind is None or RESULTS_FORMAT in kind:
                why = f'line 1 is no header of a results file: {first_problem(error)}'
            else:
                why = f'no results file, it looks like {kind}'
            raise InputError(
                f'{self.path}: {why}; give a file in the format {RESULTS_FORMAT}, which '
                '`mmdefect inspect` and `tools/test.py --out FILE.jsonl` write'
            ) from error
        names = self.header.classes
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f'{self.path}: line 1, key "classes": {twice[0]!r} stands twice; keep one'
            )

    def __iter__(self) -> Iterator[ImageScores]:
        """The images, in the order of the file.

        Yields:
            ImageScores: One image.

        Raises:
            InputError: A line is no image; the message names line and key.
        """
        known = set(self.header.classes)
        lines = self._lines()
        next(lines)
        for number, line in lines:
            try:
                image = ImageScores.model_validate_json(line)
            except ValidationError as error:
                problem = first_problem(error)
                comma = ',' if problem.startswith('key') else ':'
                raise InputError(
                    f'{self.path}: line {number}{comma} {problem}; write the file again'
                ) from error
            if not known.issuperset(image.scores) or not known.issuperset(image.truth or ()):
                self._refuse_class(number, image)
            if image.boxes and max(box[4] for box in image.boxes) >= len(known):
                raise InputError(
                    f'{self.path}: line {number}, key "boxes": a class index is not below '
                    f'{len(known)}, the number of classes in line 1; write the file again'
                )
            yield image

    def _begin(self) -> bytes:
        with self.path.open('rb') as file:
            return file.read(1000)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self.path.open('rb') as file:
                number = 0
                while line := file.readline(_LONGEST_LINE):
                    number += 1
                    if len(line) == _LONGEST_LINE:
                        raise InputError(
                            f'{self.path}: line {number} is longer than {_LONGEST_LINE >> 20} MiB; '
                            'give a results file'
                        )
                    line = line.removeprefix(b'\xef\xbb\xbf').strip()
                    if line:
                        yield number, line
        except OSError as error:
            raise InputError(
                f'{self.path}: cannot be read ({error.strerror or error}); check the path'
            ) from error

    def _refuse_class(self, number: int, image: ImageScores) -> None:
        known = self.header.classes
        key, name = next(
            (key, name)
            for key, names in (('scores', image.scores), ('truth', image.truth or ()))
            for name in names
            if name not in known
        )
        near = nearest_name(name, known)
        hint = f'did you mean {near!r}?' if near else f'known: {", ".join(known)}'
        raise InputError(
            f'{self.path}: line {number}, key "{key}": class {name!r} is not in line 1; {hint}'
        )


def write_results(path: str | Path, header: ResultsHeader, images: Iterable[ImageScores]) -> int:
    """Write a results file as the images come, whole or not at all.

    Args:
        path (str | Path): File to write; missing parent folders are made.
        header (ResultsHeader): First line.
        images (Iterable[ImageScores]): The images, one at a time.

    Returns:
        int: Number of images written.

    Raises:
        InputError: The path cannot be written.
    """
    path, count = Path(path), 0
    with replacing(path) as part:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open('w', encoding='utf-8', newline='\n') as file:
            file.write(header.line() + '\n')
            for image in images:
                file.write(image.line() + '\n')
                count += 1
    return count
