"""A plain folder of images, without annotations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmdefect.datasets.images import IMAGE_SUFFIXES
from mmdefect.datasets.readers.base import BaseReader, OnError
from mmdefect.datasets.readers.files import walk_files
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord

__all__ = ['FolderReader']


@READERS.register_module()
class FolderReader(BaseReader):
    """Read all images below a folder, without boxes.

    What else lies there is passed over. Sizes come from the image headers; one image is open at
    a time. The path below the folder is the image id.

    Args:
        source (str | Path): The folder, or one image.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        on_error ('raise' | 'drop'): What to do with a bad image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, an image that is none.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new('L', (30, 20)).save(folder / 'a.png')
        >>> [(record.image_id, record.width, len(record)) for record in FolderReader(folder)]
        [('a.png', 30, 0)]
    """

    has_labels = False

    def __init__(
        self,
        source: str | Path,
        list_file: str | Path | None = None,
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('FolderReader', unknown, ('source', 'list_file', 'on_error'))
        super().__init__(source, on_error, list_file)

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images sorted by path.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        files = [self.source] if self.source.is_file() else sorted(walk_files(self.folder))
        images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        if not images:
            raise InputError(
                f'{self.source}: no image files ({", ".join(IMAGE_SUFFIXES)}); check the path'
            )
        for path in images:
            name = path.relative_to(self.folder).as_posix()
            size = self.size_of(path) if self.wanted(name) else None
            if size is not None:
                yield ImageRecord(
                    path, name, *size, np.zeros((0, 4), np.float32), (), np.zeros(0, bool), ()
                )
