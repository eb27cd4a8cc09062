"""Which splits a folder, a file or a config holds, and how to read each."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmdefect.datasets.audit.table import AuditTable, Source
from mmdefect.datasets.readers import BaseReader
from mmdefect.datasets.readers.files import require_source
from mmdefect.datasets.readers.formats import detect_format, open_reader, reader_class
from mmdefect.errors import InputError
from mmdefect.registry import READERS

__all__ = ['config_sources', 'data_sources', 'dataset_configs', 'dataset_source', 'split_by_folder']

# Words for splits in the order to show them.
_WORDS = {
    'train': ('train', 'training'),
    'val': ('val', 'valid', 'validation', 'dev'),
    'test': ('test', 'testing'),
}
_WORD = re.compile(rf'(?<![a-z])({"|".join(sum(_WORDS.values(), ()))})(?![a-z])')
# Formats whose files may each hold one split.
_SPLIT_FILES = {'coco': '.json', 'sku110k': '.csv', 'severstal': '.csv'}
_LIST_FOLDERS = ('', 'ImageSets/Main')


def data_sources(
    data: Sequence[Path],
    source_format: str | None = None,
    lists: Mapping[str, Path] | None = None,
    options: Mapping[str, Any] | None = None,
    classes: Sequence[str] | Mapping[int, str] | None = None,
) -> list[Source]:
    """Find the splits of a data set.

    Several folders or files are one split each. In a single folder the splits are, whichever
    comes first: ``lists``; the list files ``train.txt``, ``val.txt``, ``test.txt`` in it or in
    ``ImageSets/Main``; its COCO, SKU-110K or run-length files named after splits. Otherwise it is
    one split, which :func:`split_by_folder` may part once it is read.

    Args:
        data (Sequence[Path]): Folders or annotation files.
        source_format (str | None): Format of all of them. Default None: told by looking.
        lists (Mapping[str, Path] | None): List file of each split of a single folder. Default
            None.
        options (Mapping[str, Any] | None): Further arguments of the readers. Default None.
        classes (Sequence[str] | Mapping[int, str] | None): Class names for readers that are to
            be told, of YOLO numbers or mask values. Default None.

    Returns:
        list[Source]: The splits, the training split first.

    Raises:
        InputError: There is no such folder or file, its format cannot be told, or lists are
            given for several.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> coco = '{"images": [], "annotations": [], "categories": []}'
        >>> for name, text in (('a.json', coco), ('train.txt', 'a'), ('val.txt', 'b')):
        ...     _ = (folder / name).write_text(text)
        >>> [source.split for source in data_sources([folder])]
        ['train', 'val']
    """
    formats = [source_format or detect_format(path) for path in data]
    for path in data:
        require_source(path, 'data set')
    if len(data) > 1:
        if lists:
            raise InputError('--split and --list go with one folder; name the others by themselves')
        names = _names(data)
        return [
            Source(name, partial(open_reader, path, kind, **_keys(kind, options, classes)))
            for name, path, kind in zip(names, data, formats, strict=True)
        ]
    path, kind = data[0], formats[0]
    keys = _keys(kind, options, classes)
    found = dict(lists or {})
    # What lists name beside bare images may be their annotations.
    if not found and kind != 'folder':
        found = _list_files(path)
    if found:
        return [
            Source(name, partial(open_reader, path, kind, list_file=str(file), **keys))
            for name, file in found.items()
        ]
    files = _split_files(path, _SPLIT_FILES[kind]) if kind in _SPLIT_FILES else {}
    if files:
        return [
            Source(name, partial(open_reader, file, kind, **keys)) for name, file in files.items()
        ]
    return [Source('', partial(open_reader, path, kind, **keys))]


def _keys(kind: str, options: Mapping[str, Any] | None, classes: Any) -> dict[str, Any]:
    keys = {'on_error': 'drop', **(options or {})}
    if classes and 'classes' in inspect.signature(reader_class(kind)).parameters:
        keys['classes'] = classes
    return keys


def _names(data: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that differ: stems, else with their folders."""
    paths = [path.resolve() for path in data]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ['/'.join((*path.parts[-depth:-1], path.stem)) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise InputError(f'{data[0]}: given twice; name each split once')


def _list_files(path: Path) -> dict[str, Path]:
    for folder in _LIST_FOLDERS if path.is_dir() else ():
        files = {name: (path / folder / f'{name}.txt').absolute() for name in _WORDS}
        found = {name: file for name, file in files.items() if file.is_file()}
        if len(found) > 1:
            return found
    return {}


def _split_files(folder: Path, suffix: str) -> dict[str, Path]:
    """Files of a folder, or of ``annotations`` in it, each named after another split."""
    for below in (folder, folder / 'annotations') if folder.is_dir() else ():
        named = [(_split_word(path.stem), path) for path in sorted(below.glob(f'*{suffix}'))]
        found = {name: path for name, path in named if name}
        if len(found) > 1 and len(found) == len([name for name, _ in named if name]):
            return {name: found[name] for name in _WORDS if name in found}
    return {}


def _split_word(text: str) -> str | None:
    words = _WORD.findall(text.lower())
    return next((name for name, known in _WORDS.items() if words and words[-1] in known), None)


def split_by_folder(table: AuditTable) -> None:
    """Part a table of one split by folders such as ``images/train``, where all images have one.

    Args:
        table (AuditTable): Changed in place: its splits and the split of each image.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> table = AuditTable([''], [], [Path('train/a.png'), Path('val/a.png')],
        ...     np.zeros(2, np.int32), one_based=[None])
        >>> split_by_folder(table)
        >>> table.splits, table.split_of.tolist()
        (['train', 'val'], [0, 1])
    """
    if len(table.splits) != 1 or not len(table):
        return
    shared = len(table.shared_folder().parts)
    of_folder: dict[Path, str | None] = {path.parent: None for path in table.paths}
    for folder in of_folder:
        inner = reversed(folder.parts[shared:])
        of_folder[folder] = next(filter(None, map(_split_word, inner)), None)
    names = set(of_folder.values())
    if None in names or len(names) < 2:
        return
    table.splits = [name for name in _WORDS if name in names]
    table.one_based = table.one_based * len(table.splits)
    for image, path in enumerate(table.paths):
        table.split_of[image] = table.splits.index(str(of_folder[path.parent]))


def config_sources(config: Mapping[str, Any], name: str) -> tuple[list[Source], list[str] | None]:
    """Find the data sets of a config's train, val and test loaders.

    Wrapped data sets are looked into. A loader with the reader of an earlier one is the same
    split under another name and left out.

    Args:
        config (Mapping[str, Any]): The config.
        name (str): Its file, for messages.

    Returns:
        tuple[list[Source], list[str] | None]: The splits, and the class names; None where the
        config has none.

    Raises:
        InputError: There is no data set that we can read.

    Example:
        >>> reader = dict(type='mmdefect.COCOReader', ann_file='train.json')
        >>> config = dict(train_dataloader=dict(dataset=dict(
        ...     type='mmdefect.DefectDataset', reader=reader, metainfo=dict(classes=['rust']))))
        >>> sources, classes = config_sources(config, 'config.py')
        >>> [source.split for source in sources], classes
        (['train'], ['rust'])
    """
    sources: list[Source] = []
    seen: list[Any] = []
    classes: list[str] | None = None
    for split in _WORDS:
        loader = config.get(f'{split}_dataloader')
        for dataset in dataset_configs((loader or {}).get('dataset')):
            reader = _reader_config(dataset, name)
            if reader in seen:
                continue
            seen.append(reader)
            sources.append(Source(split, partial(_build, reader, name)))
            known = (dataset.get('metainfo') or {}).get('classes')
            classes = classes or (list(known) if known else None)
    if not sources:
        raise InputError(f'{name}: no data set in train_, val_ or test_dataloader; give one')
    return sources, classes


def dataset_configs(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """Find the data sets that read annotations, below whatever wraps them.

    Args:
        dataset (Any): ``dataset`` of a loader's config.

    Yields:
        Mapping: The configs of the inner data sets, in order.

    Example:
        >>> inner = dict(type='mmdefect.DefectDataset')
        >>> list(dataset_configs(dict(type='RepeatDataset', dataset=inner))) == [inner]
        True
    """
    if not isinstance(dataset, Mapping):
        return
    inner = [dataset['dataset']] if 'dataset' in dataset else dataset.get('datasets')
    if inner is None:
        yield dataset
        return
    for part in inner:
        yield from dataset_configs(part)


def dataset_source(dataset: Mapping[str, Any], split: str, name: str) -> Source:
    """Say how to read what one data set of a config reads.

    Args:
        dataset (Mapping): Config of a data set.
        split (str): What to call it.
        name (str): The config file, for messages.

    Returns:
        Source: It.

    Raises:
        InputError: It has no reader that we know.

    Example:
        >>> reader = dict(type='mmdefect.COCOReader', ann_file='train.json')
        >>> dataset_source(dict(reader=reader), 'train', 'config.py').split
        'train'
    """
    return Source(split, partial(_build, _reader_config(dataset, name), name))


def _reader_config(dataset: Mapping[str, Any], name: str) -> dict[str, Any]:
    reader = dataset.get('reader')
    if isinstance(reader, Mapping):
        return dict(reader)
    if str(dataset.get('type', '')).endswith('CocoDataset') and dataset.get('ann_file'):
        root = Path(dataset.get('data_root') or '')
        images = (dataset.get('data_prefix') or {}).get('img') or ''
        return {
            'type': 'mmdefect.COCOReader',
            'ann_file': str(root / dataset['ann_file']),
            'image_root': str(root / images),
        }
    raise InputError(
        f'{name}: data set {dataset.get("type")!r} has no reader; use mmdefect.DefectDataset, or '
        'give the folder of the data'
    )


def _build(config: Mapping[str, Any], name: str) -> BaseReader:
    kind = config.get('type')
    if not isinstance(kind, str) or READERS.get(kind) is None:
        known = ', '.join(f'mmdefect.{reader}' for reader in sorted(READERS.module_dict))
        raise InputError(f'{name}: reader type must be one of {known}, got {kind!r}')
    try:
        reader: BaseReader = READERS.build({**config, 'on_error': 'drop', '_scope_': 'mmdefect'})
    except TypeError as error:
        raise InputError(f'{name}: reader {kind}: {error}; correct the config') from None
    return reader
