"""Label Studio: the JSON export of a project, a list of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from mmdefect.datasets.images import IMAGE_SUFFIXES, image_size
from mmdefect.datasets.json_file import read_json
from mmdefect.datasets.readers.base import BaseReader, OnError, Unlabelled, require_choice
from mmdefect.datasets.readers.files import files_by_stem, require_source
from mmdefect.datasets.readers.image_index import ImageIndex
from mmdefect.datasets.readers.image_references import names_of_reference
from mmdefect.datasets.readers.label_studio_results import (
    declared_size,
    image_answers,
    region_shapes,
)
from mmdefect.datasets.readers.shapes import image_name, shapes_record
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord

__all__ = ['LabelStudioReader']

_KNOWN_KEYS = (
    'source', 'image_root', 'list_file', 'annotation', 'unlabelled', 'image_key', 'on_error',
)  # fmt: skip
_OfSeveral = Literal['newest', 'first', 'raise']


@READERS.register_module()
class LabelStudioReader(BaseReader):
    """Read Label Studio's JSON export: one file, or all JSON files of a folder.

    The image of a task is searched below ``image_root`` by what the task calls it: an upload,
    with or without its prefix of eight digits, a local file, an address in a bucket or in the
    web, or a path; nothing is fetched. Its path below ``image_root`` is the image id. One file
    is in memory at a time. JSON-MIN is refused: it does not say which tasks are labelled.

    Regions become the upright boxes around them: rectangles and ellipses, turned or not, and
    polygons. Brush masks and key points are problems. Cancelled (skipped) annotations, drafts
    and predictions never count; annotations marked as ground truth count before all others. An
    annotation without regions is a good part. Choices, texts and ratings are carried in
    ``box_extra`` or, when they are about the whole image, in ``extra``, by their ``from_name``;
    so are the further ``data`` of the task.

    Args:
        source (str | Path): The JSON file, or a folder of such.
        image_root (str | Path | None): Folder of the images, with all folders below. Default
            None: that of the JSON file.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        annotation ('newest' | 'first' | 'raise'): Of several annotations of a task take the one
            updated last, the first of the file, or none: it is an error. Default ``newest``.
        unlabelled ('skip' | 'good' | 'raise'): A task without annotation is left out, a good
            part, or an error. Default ``skip``, with a note that counts them.
        image_key (str | None): The key of ``data`` that names the image. Default None: the only
            one whose value does.
        on_error ('raise' | 'drop'): What to do with a bad region or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Example:
        >>> import json, tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new('L', (64, 48)).save(folder / 'a.png')
        >>> region = {'x': 50, 'y': 0, 'width': 25, 'height': 50, 'rectanglelabels': ['rust']}
        >>> result = {'type': 'rectanglelabels', 'value': region}
        >>> task = {'id': 1, 'data': {'image': '/data/upload/1/0123abcd-a.png'},
        ...         'annotations': [{'was_cancelled': False, 'result': [result]}]}
        >>> _ = (folder / 'export.json').write_text(json.dumps([task]))
        >>> reader = LabelStudioReader(folder / 'export.json')
        >>> [(record.labels, record.boxes.tolist()) for record in reader]
        [(('rust',), [[32.0, 0.0, 48.0, 24.0]])]
    """

    def __init__(
        self,
        source: str | Path,
        image_root: str | Path | None = None,
        list_file: str | Path | None = None,
        annotation: _OfSeveral = 'newest',
        unlabelled: Unlabelled = 'skip',
        image_key: str | None = None,
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('LabelStudioReader', unknown, _KNOWN_KEYS)
        require_choice('LabelStudioReader', 'annotation', annotation, get_args(_OfSeveral))
        require_choice('LabelStudioReader', 'unlabelled', unlabelled, get_args(Unlabelled))
        super().__init__(source, on_error, list_file)
        self.image_root = self.folder if image_root is None else Path(image_root)
        self.annotation = annotation
        self.unlabelled = unlabelled
        self.image_key = image_key
        self._unlabelled_tasks = 0
        self._tasks_with_several = 0

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images in the order of the tasks, files sorted by name.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        self._unlabelled_tasks = self._tasks_with_several = 0
        require_source(self.source, 'Label Studio')
        images = ImageIndex(self.image_root)
        labelled = 0
        for path, tasks in self._files():
            for record in self._records(path, tasks, images):
                labelled += 1
                yield record
        if self._unlabelled_tasks and not labelled and not self.problems:
            raise InputError(
                f'{self.name}: none of its {self._unlabelled_tasks} tasks has an annotation; label '
                "them, or set unlabelled='good' if they are good parts"
            )
        if self._unlabelled_tasks:
            self.notes.append(
                f'{self.name}: {self._unlabelled_tasks} tasks have no annotation and are left '
                "out; if they are good parts, set unlabelled='good'"
            )
        if self._tasks_with_several:
            self.notes.append(
                f'{self.name}: {self._tasks_with_several} tasks have several annotations, of '
                f'which the {self.annotation} counts'
            )

    def _files(self) -> Iterator[tuple[Path, list[Any]]]:
        """The tasks of each file."""
        if not self.source.is_dir():
            yield self.source, _tasks(self.source)
            return
        for paths in files_by_stem(self.folder, ('.json',), 'Label Studio').values():
            for path in paths:
                try:
                    yield path, _tasks(path)
                except InputError as error:
                    self.refuse(error)

    def _records(self, path: Path, tasks: list[Any], images: ImageIndex) -> Iterator[ImageRecord]:
        for number, task in enumerate(tasks, start=1):
            task_id = task.get('id') if isinstance(task, dict) else None
            where = f'{path}, task number {number}'
            where += f' (id {task_id})' if isinstance(task_id, (int, str)) else ''
            try:
                found = self._open(where, task, images)
            except InputError as error:
                # Problems of the JSON file and of the image file have their own place.
                place, _, what = str(error).partition(': ')
                self.problem(where, what if place == where else str(error))
                continue
            if found is None:
                continue
            results, image, size, extra = found
            shapes = region_shapes(where, results, size, self.problem)
            name = image_name(image, self.image_root)
            yield shapes_record(self, where, image, name, size, shapes, extra)

    def _open(
        self, where: str, task: Any, images: ImageIndex
    ) -> tuple[list[dict[str, Any]], Path, tuple[int, int], dict[str, Any]] | None:
        """Results, image, ``(w, h)`` and further keys; None when the task is left out."""
        if not isinstance(task, dict) or not isinstance(task.get('data'), dict):
            raise InputError(f'{where}: no object "data"; {_cure(task)}')
        data = task['data']
        key = self._image_key(where, data)
        names = names_of_reference(data[key])
        if not names:
            raise InputError(f'{where}: data.{key} names no file; give the image a name')
        if not any(self.wanted(name) for name in names):
            return None
        chosen = self._chosen(where, task)
        if chosen is None and self.unlabelled != 'good':
            if self.unlabelled == 'raise':
                raise InputError(
                    f"{where}: has no annotation; label it, or set unlabelled='good' if it is a "
                    "good part, 'skip' to leave it out"
                )
            self._unlabelled_tasks += 1
            return None
        results = [] if chosen is None else _results(where, chosen)
        image = images.claim(where, *names)
        size = declared_size(where, results) or image_size(image)
        further = {name: value for name, value in data.items() if name != key}
        return results, image, size, {**further, **image_answers(results)}

    def _image_key(self, where: str, data: dict[str, Any]) -> str:
        if self.image_key is not None:
            if not isinstance(data.get(self.image_key), str):
                raise InputError(
                    f'{where}: data has no text {self.image_key!r}; set image_key to one of '
                    f'{", ".join(data)}'
                )
            return self.image_key
        keys = [
            key
            for key, value in data.items()
            if isinstance(value, str)
            and (
                value.startswith('data:image')
                or any(name.lower().endswith(IMAGE_SUFFIXES) for name in names_of_reference(value))
            )
        ]
        if len(keys) == 1:
            return keys[0]
        raise InputError(
            f'{where}: {len(keys)} keys of data name an image; set image_key to one of '
            f'{", ".join(keys or data) or "its keys"}'
        )

    def _chosen(self, where: str, task: dict[str, Any]) -> dict[str, Any] | None:
        # Versions before 1.0 called them completions.
        annotations = task.get('annotations', task.get('completions'))
        if not isinstance(annotations, list) or not all(
            isinstance(annotation, dict) for annotation in annotations
        ):
            raise InputError(f'{where}: no list "annotations"; {_cure(task)}')
        valid = [annotation for annotation in annotations if not annotation.get('was_cancelled')]
        valid = [annotation for annotation in valid if annotation.get('ground_truth')] or valid
        if len(valid) > 1:
            if self.annotation == 'raise':
                raise InputError(
                    f'{where}: has {len(valid)} annotations; mark one as ground truth, or set '
                    "annotation='newest' or 'first'"
                )
            self._tasks_with_several += 1
            if self.annotation == 'newest':
                # Of equal times the last one counts.
                return max(reversed(valid), key=_updated)
        return valid[0] if valid else None


def _tasks(path: Path) -> list[Any]:
    content = read_json(path, 'Label Studio')
    if isinstance(content, dict) and 'data' in content:
        return [content]
    if not isinstance(content, list):
        raise InputError(
            f'{path}: not Label Studio: the top level is no list of tasks; export as JSON'
        )
    return content


def _cure(task: Any) -> str:
    if isinstance(task, dict) and 'data' not in task and 'annotations' not in task:
        return 'JSON-MIN and other short exports do not say what is labelled; export as JSON'
    return 'export the project as JSON again'


def _results(where: str, annotation: dict[str, Any]) -> list[dict[str, Any]]:
    results = annotation.get('result')
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise InputError(f'{where}: its annotation has no list "result"; export it again')
    return results


def _updated(annotation: dict[str, Any]) -> float:
    """When an annotation was last changed, in seconds; the earliest of all where nothing says."""
    for key in ('updated_at', 'created_at'):
        value = annotation.get(key)
        if isinstance(value, (int, float)):
            return value
        if isinstance(value, str):
            try:
                time = datetime.fromisoformat(value.replace('Z', '+00:00'))
                return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
            except (OverflowError, ValueError):
                continue
    return float('-inf')
