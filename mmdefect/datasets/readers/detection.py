"""What a folder or a file looks like: evidence for each annotation format, cheaply gathered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from mmdefect.datasets.images import IMAGE_SUFFIXES
from mmdefect.datasets.readers.files import require_source, walk_files
from mmdefect.datasets.readers.mask_layout import MaskLayout, may_hold_masks
from mmdefect.datasets.readers.severstal_rows import is_run_length_header
from mmdefect.datasets.readers.sku110k_rows import is_shelf_row
from mmdefect.datasets.readers.text_rows import is_label_row, read_head

__all__ = ['CLASS_FILES', 'YAML_FILES', 'formats_found']

# Names of files that list YOLO classes, one per line.
CLASS_FILES = ('classes.txt', 'obj.names', 'classes.names')
YAML_FILES = ('data.yaml', 'data.yml', 'dataset.yaml', 'dataset.yml')

_MAX_NAMES = 200_000
_HEADS_PER_KIND = 10
# A row may be damaged.
_LINES_PER_HEAD = 5
_FIRST_TAG = re.compile(r'<([A-Za-z_][\w.:-]*)')
_XML_FORMATS = {'annotation': 'voc', 'annotations': 'cvat'}


def formats_found(source: Path) -> tuple[dict[str, Path], Counter[str]]:
    """Look for evidence of every annotation format.

    At most 200,000 names are looked at, and the first 64 kB of ten files of each kind.

    Args:
        source (Path): A folder or a file.

    Returns:
        tuple: Format names with a file or folder each that speaks for them, and how many files
        of each suffix were seen. CSV files count only where nothing else does, class lists and bare
        images where they do not either.

    Raises:
        InputError: There is no such file or folder, or one cannot be read.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / 'a.png').touch()
        >>> found, kinds = formats_found(folder)
        >>> found['folder'].name, kinds
        ('a.png', Counter({'.png': 1}))
    """
    require_source(source, 'data set')
    files = list(islice(walk_files(source), _MAX_NAMES)) if source.is_dir() else [source]
    by_suffix: dict[str, list[Path]] = {}
    for path in files:
        by_suffix.setdefault(path.suffix.lower(), []).append(path)
    kinds = Counter({suffix or 'without suffix': len(paths) for suffix, paths in by_suffix.items()})
    images = [path for suffix in IMAGE_SUFFIXES for path in by_suffix.get(suffix, ())]
    texts = by_suffix.get('.txt', [])
    found: dict[str, Path] = {}
    for name, path in (
        *_heads(by_suffix.get('.json', ()), _json_format),
        *_heads(by_suffix.get('.xml', ()), _xml_format),
        *_pairs(images),
        *_label_rows(texts, images),
        *_mask_images(source, images),
    ):
        found.setdefault(name, path)
    # A CSV file beside a COCO file most likely says the same.
    found = found or dict(_heads(by_suffix.get('.csv', ()), _csv_format))
    if found:
        return found, kinds
    class_lists = [
        path
        for path in files
        if path.name.lower() in CLASS_FILES or path.name.lower() in YAML_FILES
    ]
    empty_labels = [path for path in texts if path.parent.name == 'labels']
    if source.suffix.lower() in ('.yaml', '.yml') or class_lists or empty_labels:
        return {'yolo': (class_lists or empty_labels or [source])[0]}, kinds
    if images and not kinds.keys() & {'.json', '.xml', '.csv'}:
        return {'folder': images[0]}, kinds
    return {}, kinds


def _heads(
    paths: Iterable[Path], classify: Callable[[str], str | None]
) -> Iterator[tuple[str, Path]]:
    for path in islice(paths, _HEADS_PER_KIND):
        name = classify(read_head(path))
        if name is not None:
            yield name, path


def _json_format(head: str) -> str | None:
    keys = set(re.findall(r'"(\w+)"\s*:', head))
    if head.lstrip().startswith('['):
        # A list with category_id holds COCO results, which are no annotations.
        is_list_of_tasks = keys & {'data', 'annotations', 'completions', 'label'}
        return 'label-studio' if is_list_of_tasks and 'category_id' not in keys else None
    if keys & {'shapes', 'imagePath', 'imageData'}:
        return 'labelme'
    # Categories alone are the notes.json that Label Studio writes beside YOLO labels.
    if keys & {'images', 'image_id', 'category_id'}:
        return 'coco'
    return 'label-studio' if keys >= {'data', 'annotations'} else None


def _xml_format(head: str) -> str | None:
    # Comments may hold tags.
    tag = _FIRST_TAG.search(re.sub(r'<!--.*?-->', '', head, flags=re.DOTALL))
    return _XML_FORMATS.get(tag[1]) if tag else None


def _csv_format(head: str) -> str | None:
    lines = head.replace('"', '').splitlines()[:_LINES_PER_HEAD]
    if any(map(is_run_length_header, lines[:1])):
        return 'severstal'
    return 'sku110k' if any(map(is_shelf_row, lines)) else None


def _pairs(images: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """A tested image beside its template, as DeepPCB names them."""
    ends = [(path, path.stem) for path in images if path.stem.endswith(('_test', '_temp'))]
    names = {(path.parent, stem) for path, stem in ends}
    for path, stem in ends:
        if stem.endswith('_test') and (path.parent, f'{stem[:-5]}_temp') in names:
            yield 'deeppcb', path
            return


def _label_rows(texts: list[Path], images: list[Path]) -> Iterator[tuple[str, Path]]:
    """A text file in a folder of labels or named like an image, with a row of YOLO numbers."""
    stems = {path.stem for path in images} if texts else set()
    labels = (
        path
        for path in texts
        if path.name.lower() not in CLASS_FILES
        and ('labels' in path.parts or path.stem in stems)
        and _has_content(path)
    )
    for path in islice(labels, _HEADS_PER_KIND):
        lines = read_head(path).splitlines()
        if lines and is_label_row(lines[0]):
            yield 'yolo', path
            return


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        # A link to nothing, which the reader reports.
        return False


def _mask_images(source: Path, images: list[Path]) -> Iterator[tuple[str, Path]]:
    """A mask in a folder of masks, or named like the image beside it."""
    if source.is_dir() and may_hold_masks(images):
        layout = MaskLayout(source, images)
        for path in layout.images:
            if layout.has_mask(path):
                yield 'mask', path
                return
