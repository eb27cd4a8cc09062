"""The folder of a generated data set: known as ours, replaced as a whole, complete or marked so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from mmdefect.errors import InputError
from mmdefect.fileio import write_json, write_text

__all__ = ['SampleFolder']

_JPEG_QUALITY = 93


@dataclass(frozen=True)
class SampleFolder:
    r"""Where one kind of sample data is written: images first, annotation files last.

    Args:
        out (Path): The folder.
        kind (str): Kind of data, such as ``drill``.
        documents (tuple[str, ...]): Stems of the COCO files in it. ``<split>_truth`` is of the
            split without that ending.
        images (str): Regular expression for the names of the image files.
        tables (tuple[str, ...]): Further annotation files, below it. Default none.

    Example:
        >>> import tempfile
        >>> folder = SampleFolder(Path(tempfile.mkdtemp()), 'drill', ('train',), r'a\.jpg')
        >>> folder.read(), folder.is_ours({})
        ({}, False)
    """

    out: Path
    kind: str
    documents: tuple[str, ...]
    images: str
    tables: tuple[str, ...] = ()

    @property
    def generator(self) -> str:
        """What the COCO files name as their generator: the command."""
        return f'mmdefect sample-data {self.kind}'

    @property
    def _marker(self) -> Path:
        return self.out / f'{self.kind}_unfinished.json'

    def read(self) -> dict[str, dict[str, Any]]:
        """Read the COCO files that are there.

        Returns:
            dict[str, dict[str, Any]]: Content by stem.

        Raises:
            InputError: One is not of this generator.
        """
        found = {}
        for name in self.documents:
            path = self.out / f'{name}.json'
            if not path.exists():
                continue
            try:
                document = json.loads(path.read_text(encoding='utf-8'))
                ours = document['info']['generator'] == self.generator
            except (OSError, ValueError, KeyError, TypeError):
                ours = False
            if not ours:
                raise InputError(
                    f'{path}: not written by {self.generator!r}; choose another folder'
                )
            found[name] = document
        return found

    def is_ours(self, found: Mapping[str, Any]) -> bool:
        """Tell whether the folder holds data of this generator, complete or not.

        Args:
            found (Mapping): What :meth:`read` returned.

        Returns:
            bool: True when it does.
        """
        return bool(found) or self._marker.exists()

    def is_complete(self, info: Mapping[str, Any], found: Mapping[str, dict[str, Any]]) -> bool:
        """Tell whether the folder holds all files of exactly this data set.

        Args:
            info (Mapping): ``info`` of its COCO files, without ``split``.
            found (Mapping): What :meth:`read` returned.

        Returns:
            bool: True when it does.
        """
        if self._marker.exists() or set(found) != set(self.documents):
            return False
        for name, document in found.items():
            if document['info'] != {**info, 'split': name.removesuffix('_truth')}:
                return False
            if not all((self.out / image['file_name']).is_file() for image in document['images']):
                return False
        return all((self.out / name).is_file() for name in self.tables)

    def start(self, info: Mapping[str, Any], planned: Iterable[str], ours: bool) -> None:
        """Make room: remove an older data set of ours, and mark the folder as unfinished.

        Args:
            info (Mapping): As in :meth:`is_complete`.
            planned (Iterable[str]): Names of the image files that will be written.
            ours (bool): What :meth:`is_ours` says.

        Raises:
            InputError: A file of somebody else is in the way, or one cannot be removed.
        """
        if ours:
            self._clear()
        else:
            for name in (*self.tables, *planned):
                if (self.out / name).exists():
                    raise InputError(
                        f'{self.out / name}: exists and was not written by {self.generator!r}; '
                        'choose another folder'
                    )
        write_json(self._marker, dict(info))

    def _clear(self) -> None:
        known = re.compile(self.images)
        stale = [self.out / f'{name}.json' for name in self.documents]
        stale += [self.out / name for name in self.tables]
        images = sorted((self.out / 'images').glob('*/*'))
        stale += [path for path in images if known.fullmatch(path.name)]
        # An interrupted clean-up must still be known as ours.
        write_json(self._marker, {})
        for path in stale:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise InputError(
                    f'{path}: cannot be removed ({error.strerror}); choose another folder'
                ) from error

    def write_image(self, name: str, image: NDArray[Any]) -> None:
        """Encode an image by its suffix.

        Args:
            name (str): File below the folder.
            image (NDArray): ``uint8``, or ``uint16`` for PNG; shape (h, w) or (h, w, 3) BGR.

        Raises:
            InputError: It cannot be written.
        """
        path = self.out / name
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix == '.jpg' else []
        encoded = cv2.imencode(path.suffix, image, options)[1]
        # The unfinished mark, not a rename per image, tells a broken-off run.
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded.tobytes())
        except OSError as error:
            raise InputError(
                f'{path}: cannot be written ({error.strerror}); choose a writable folder'
            ) from error

    def finish(
        self, documents: Mapping[str, dict[str, Any]], tables: Mapping[str, str] | None = None
    ) -> None:
        """Write the annotation files and take the mark away.

        Args:
            documents (Mapping[str, dict[str, Any]]): COCO content by stem.
            tables (Mapping[str, str] | None): Text of the further files. Default None.

        Raises:
            InputError: One cannot be written.
        """
        for name, text in (tables or {}).items():
            write_text(self.out / name, text)
        for name, document in documents.items():
            write_json(self.out / f'{name}.json', document)
        self._marker.unlink()
