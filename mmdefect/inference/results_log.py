"""A results file that grows image by image and survives whatever ends the process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mmdefect.decision import ImageScores, ResultsFile, ResultsHeader
from mmdefect.engine.inference_settings import require_same_settings
from mmdefect.errors import InputError
from mmdefect.fileio import write_text

__all__ = ['ResultsLog']


class ResultsLog:
    """Append images to a results file, new or begun before.

    Of a file begun before, a last line that was not written to its end is cut off. Boxes stay in
    the file and are read again when asked for.

    Args:
        path (str | Path): The file, ``results.jsonl``.
        header (ResultsHeader): Its first line. One begun before must be of the same model, run in
            the same way.

    Attributes:
        images (dict[str, ImageScores]): Images in the file by path, without boxes.

    Raises:
        InputError: The file is another one, damaged, or cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'results.jsonl'
        >>> header = ResultsHeader(model='0' * 64, classes=['rust'])
        >>> with ResultsLog(path, header) as log:
        ...     log.append(ImageScores(image='a.png', sha256='1' * 64))
        >>> with ResultsLog(path, header) as log:
        ...     list(log.images)
        ['a.png']
    """

    def __init__(self, path: str | Path, header: ResultsHeader) -> None:
        self.path = Path(path)
        self.images: dict[str, ImageScores] = {}
        self._places: dict[str, int] = {}
        if self.path.exists():
            self._require_same(ResultsFile(self.path).header, header)
            self._cut_last_line()
            self._read()
        else:
            # All of it or nothing, so that a file with a first line is a results file.
            write_text(self.path, header.line() + '\n')
        self._file: BinaryIO = self.path.open('r+b')
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> ResultsLog:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Flush it to the disk and close it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def append(self, image: ImageScores) -> None:
        """Write one image; a killed process loses nothing that was written.

        Args:
            image (ImageScores): Its line.

        Raises:
            InputError: The file cannot be written.
            ValueError: The image is there already.
        """
        if image.image in self.images:
            raise ValueError(f'image must be a new one, got {image.image!r} again')
        self._places[image.image] = self._file.tell()
        try:
            self._file.write(image.line().encode() + b'\n')
            self._file.flush()
        except OSError as error:
            raise InputError(
                f'{self.path}: cannot be written ({error.strerror or error}); earlier images are '
                'in it: free some space and run the same command again'
            ) from error
        self.images[image.image] = image.model_copy(update={'boxes': None})

    def boxes(self, path: str) -> tuple[tuple[float, ...], ...]:
        """Read the boxes of an image again.

        Args:
            path (str): Its path.

        Returns:
            tuple: ``x1, y1, x2, y2``, class index and score of each; empty where none was kept.
        """
        with self.path.open('rb') as file:
            file.seek(self._places[path])
            return ImageScores.model_validate_json(file.readline()).boxes or ()

    def _require_same(self, found: ResultsHeader, wanted: ResultsHeader) -> None:
        if found.model != wanted.model:
            raise InputError(
                f'{self.path}: results of model {found.model[:12]}, and the model in use is '
                f'{wanted.model[:12]}; choose another --out'
            )
        require_same_settings(found.inference, wanted.inference, str(self.path))

    def _cut_last_line(self) -> None:
        start, last = 0, b''
        with self.path.open('r+b') as file:
            for line in file:
                start, last = start + len(last), line
            try:
                whole = last.endswith(b'\n') and isinstance(json.loads(last), dict)
            except ValueError:
                whole = False
            # The first line is one: ResultsFile has read it.
            if start and not whole:
                file.truncate(start)

    def _read(self) -> None:
        with self.path.open('rb') as file:
            places = _places(file)
            next(places)
            for image, place in zip(ResultsFile(self.path), places, strict=True):
                if image.image in self.images:
                    raise InputError(
                        f'{self.path}: image {image.image!r} stands twice; keep one line'
                    )
                self._places[image.image] = place
                self.images[image.image] = image.model_copy(update={'boxes': None})


def _places(file: BinaryIO) -> Iterator[int]:
    """Where the lines begin that are not empty."""
    place = 0
    for line in file:
        if line.strip():
            yield place
        place += len(line)
