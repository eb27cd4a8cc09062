"""What all readers share: problems are raised or collected, boxes checked in one place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.images import image_size
from mmdefect.datasets.readers.files import is_file
from mmdefect.datasets.readers.image_list import ImageList
from mmdefect.errors import ImageFileError, InputError
from mmdefect.structures import ImageRecord, Problem
from mmdefect.wording import counted

__all__ = ['BaseReader', 'OnError', 'Unlabelled', 'require_choice']

OnError = Literal['raise', 'drop']
# What an image without annotation is: an error, a good part, or left out.
Unlabelled = Literal['raise', 'good', 'skip']
# What a list of them may take: about half a gigabyte.
_MAX_PROBLEMS = 1_000_000
_CURE = " (on_error='drop' leaves it out)"
_CURE_OF_IMAGES = " (on_error='drop' leaves the image out)"


class BaseReader(ABC):
    """An iterable of :class:`~mmdefect.structures.ImageRecord`, lazy and repeatable.

    A new format needs :meth:`read`; it asks :meth:`wanted` before it parses what belongs to an
    image, calls :meth:`problem` for whatever is wrong with a box or an image, and goes on with
    the next one.

    Args:
        source (str | Path): The data set: a folder, or a file.
        on_error ('raise' | 'drop'): Raise at the first bad box or image, or drop and list it
            in :attr:`problems`. Default ``raise``.
        list_file (str | Path | None): Text file naming the images to read, one per line, as
            :class:`~mmdefect.datasets.readers.image_list.ImageList` takes them; relative to the
            folder of the source or to the working folder. Default None: all images.

    Attributes:
        source (Path): The data set.
        folder (Path): The source where it is a folder, else the folder of the file.
        name (str): What messages call the source.
        problems (list[Problem]): What the latest iteration dropped.
        notes (list[str]): What the latest iteration found worth a warning.
        declares_classes (bool): The format lists its classes apart from its boxes.
        has_labels (bool): The format says what images show, so that one without a box is good.
        drops_images (bool): What is wrong with a box drops its image, not the box alone.
        drop_bad_files (bool): An image file that is missing or cannot be decoded is dropped and
            listed even where ``on_error`` is ``raise``. False until it is set.

    Example:
        >>> from mmdefect.datasets.readers import COCOReader
        >>> COCOReader('train.json', on_error='skip')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: train.json: on_error must be one of raise, drop; got 'skip'
    """

    declares_classes: bool = False
    has_labels: bool = True
    drops_images: bool = False
    # Where a list file may lie, below the folder.
    _list_folders: tuple[str, ...] = ('',)

    def __init__(
        self,
        source: str | Path,
        on_error: OnError = 'raise',
        list_file: str | Path | None = None,
    ) -> None:
        require_choice(f'{source}', 'on_error', on_error, get_args(OnError))
        self.name = str(source)
        self.source = Path(source)
        self.folder = self.source.parent if is_file(self.source) else self.source
        self.on_error = on_error
        self.drop_bad_files = False
        self.list_file: Path | None = None
        if list_file is not None:
            below = [self.folder / folder / list_file for folder in self._list_folders]
            places = (*below, Path(list_file))
            self.list_file = next((place for place in places if is_file(place)), below[0])
        self._listed: ImageList | None = None
        self._classes: tuple[str, ...] | None = None
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names: as declared, else the sorted names of all boxes, which reads all files."""
        if self._classes is None:
            for _ in self:
                pass
        return self._classes or ()

    @abstractmethod
    def read(self) -> Iterator[ImageRecord]:
        """Yield the records in file order or sorted."""

    def __iter__(self) -> Iterator[ImageRecord]:
        """Read from the start; :attr:`problems` and :attr:`notes` start empty.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        self.problems = []
        self.notes = []
        self._listed = None if self.list_file is None else ImageList(self.list_file)
        found: set[str] = set()
        for record in self.read():
            found.update(record.labels)
            yield record
        self._classes = tuple(sorted(found))
        left = [] if self._listed is None else self._listed.left()
        for line in left:
            self.problem(f'{self.list_file}', f'{line!r} is not in {self.name}; correct the list')

    def wanted(self, name: str | Path) -> bool:
        """Whether the list file, where there is one, names an image.

        Args:
            name (str | Path): Path of the image, or what the annotation calls it.

        Returns:
            bool: True when the image is to be read.
        """
        return self._listed is None or self._listed.take(str(name))

    def problem(self, where: str, what: str) -> None:
        """Raise or collect one problem.

        Args:
            where (str): File or image, and the annotation where there is one.
            what (str): What is wrong and how to mend it.

        Raises:
            InputError: ``on_error`` is ``raise``, or there are more than 1,000,000.
        """
        if self.on_error == 'raise':
            cure = _CURE_OF_IMAGES if self.drops_images else _CURE
            raise InputError(f'{where}: {what}{cure}')
        if len(self.problems) >= _MAX_PROBLEMS:
            raise InputError(
                f'{self.name}: more than {_MAX_PROBLEMS:,} problems; check that the source is in '
                'this format'
            )
        self.problems.append(Problem(where, what))

    def unlabelled_images(self, where: Path, images: Sequence[Path], what: str) -> None:
        """Raise or collect that images have no annotation, once for all of them.

        Args:
            where (Path): The folder of the annotations.
            images (Sequence[Path]): The images; of none nothing is said.
            what (str): What they lack, such as ``label file``.

        Raises:
            InputError: There are any and ``on_error`` is ``raise``.
        """
        if images:
            self.problem(
                f'{where}',
                f'{counted(len(images), "image")} without {what} (first: {images[0]}); set '
                "unlabelled='good' if they are good parts, or 'skip' to leave them out",
            )

    def refuse(self, error: InputError) -> None:
        """Raise or collect what a part of the reading found wrong with an image.

        Args:
            error (InputError): Its message is ``where: what is wrong and how to mend it``.

        Raises:
            InputError: ``on_error`` is ``raise``.
        """
        if str(error).endswith((_CURE, _CURE_OF_IMAGES)):
            raise error
        where, _, what = str(error).partition(': ')
        if self.drop_bad_files and isinstance(error, ImageFileError):
            self.problems.append(Problem(where, what))
        else:
            self.problem(where, what)

    def size_of(self, image: Path) -> tuple[int, int] | None:
        """The upright size of an image, from its header.

        Args:
            image (Path): The image file.

        Returns:
            tuple[int, int] | None: ``(w, h)`` in pixels; None when it is a problem.

        Raises:
            InputError: There is no such image and ``on_error`` is ``raise``.
        """
        try:
            return image_size(image)
        except InputError as error:
            self.refuse(error)
            return None

    def good_boxes(
        self, boxes: NDArray[np.float32], image: str, box_ids: tuple[Any, ...]
    ) -> NDArray[np.bool_]:
        """Report boxes that are not finite or have no area.

        Args:
            boxes (NDArray[np.float32]): ``xyxy`` in pixels, shape (N, 4).
            image (str): The image, for messages.
            box_ids (tuple[Any, ...]): N annotation ids, for messages.

        Returns:
            NDArray[np.bool_]: Shape (N,), True where the box is good.

        Raises:
            InputError: A box is bad and ``on_error`` is ``raise``.
        """
        finite: NDArray[np.bool_] = np.all(np.isfinite(boxes), axis=1)
        with np.errstate(invalid='ignore'):
            good = finite & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        for index in np.flatnonzero(~good):
            if finite[index]:
                width, height = (boxes[index, 2:] - boxes[index, :2]).tolist()
                what = f'box has width {width:g} and height {height:g}, both must be positive'
            else:
                what = f'box {boxes[index].tolist()} is not finite'
            self.problem(f'{image}, annotation {box_ids[index]}', what)
        return good


def require_choice(component: str, key: str, value: object, known: Sequence[str]) -> None:
    """Check that a key has one of its values.

    Args:
        component (str): Name of the component, for the message.
        key (str): The key.
        value (object): Its value.
        known (Sequence[str]): The values that it may have.

    Raises:
        InputError: It has another one.

    Example:
        >>> require_choice('VOCReader', 'difficult', 'drop', ('ignore', 'keep'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: VOCReader: difficult must be one of ignore, keep; got 'drop'
    """
    if value not in known:
        raise InputError(f'{component}: {key} must be one of {", ".join(known)}; got {value!r}')
