"""Write the drill data set: images first, COCO files last."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.drill_level import DrillLevel, get_level
from mmdefect.datasets.synthetic.drill_part import DrillPart, iterate_views, render_part
from mmdefect.datasets.synthetic.drill_plan import (
    CLASSES,
    SPLITS,
    PlannedDefect,
    part_generator,
    plan_split,
)
from mmdefect.datasets.synthetic.drill_summary import DrillSummary, summarise
from mmdefect.datasets.synthetic.views import NUM_VIEWS, VIEW_SIZE, tight_box, visible_share
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.fileio import write_json

__all__ = ['DEFAULT_PARTS', 'MIN_VISIBLE', 'write_drill']

DEFAULT_PARTS = {'train': 60, 'val': 16, 'test': 16, 'unlabeled': 60}
# Share of a defect's area that a view must show for the view to get a box. Less of it is a sliver
# at the crop's edge that no one could name, and whose box would teach the detector edges.
MIN_VISIBLE = 0.4

_GENERATOR = 'mmdefect sample-data drill'
# Raise with every change of the drawn pixels or the file layout: older data are then replaced.
_RECIPE = 1
_MARKER = 'drill_unfinished.json'
_JPEG_QUALITY = 93
_BIT_DEPTHS = (8, 10, 12, 14, 16)
_NAME = re.compile(rf'({"|".join(SPLITS)})_\d{{4,}}_v[0-{NUM_VIEWS - 1}]\.(jpg|png)')


def write_drill(
    out: str | Path,
    level: str = 'easy',
    *,
    seed: int = 0,
    bit_depth: int = 8,
    parts: Mapping[str, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DrillSummary:
    """Write end views of drill bits with five classes of defects, as COCO data.

    Layout: ``images/<split>/<part_id>_v<view>.jpg`` and one COCO file per split (``train.json``,
    ``val.json``, ``test.json``, ``unlabeled.json``); ``unlabeled_truth.json`` holds the boxes that
    ``unlabeled.json`` lacks, to measure pseudo labels with. No part is in two splits.

    Each part has eight views of 160 x 160 pixels, one per 45 degrees. Images carry ``part_id``,
    ``view_id`` and ``part_homography`` (3x3, view pixel -> part pixel, integer coordinates are
    pixel centres). Annotations carry ``defect_id`` (the same in all views), ``visible`` (share of
    the defect's area in the view), ``truncated`` (``visible`` < 1) and ``radial_size`` (``[w, h]``
    of the mask's tight box in the defect's own radial frame, h radial, pixels). Every defect is
    whole in two to four views. A view that shows less than :data:`MIN_VISIBLE` of a defect has no
    box for it, one that shows more has the box of the visible piece.

    With a ``bit_depth`` above 8 the images are those of a grey camera: 16-bit PNG files whose
    values fill that many bits.

    The same seed, level and bit depth give the same bytes (with the same NumPy and OpenCV). The
    COCO files are written last. A folder that already holds this very data set is left alone; one
    that holds another drill data set is replaced.

    Args:
        out (str | Path): Folder to write to.
        level (str): ``easy`` or ``real`` (weak contrast, changing light, harmless marks). Default
            ``easy``.
        seed (int): Seed, >= 0. Default 0.
        bit_depth (int): 8 (colour JPEG), or 10, 12, 14 or 16 (grey 16-bit PNG). Default 8.
        parts (Mapping[str, int] | None): Number of parts per split, each >= 0; splits not named
            keep :data:`DEFAULT_PARTS`. Default None.
        progress (Callable[[int, int], None] | None): Called after each part with the number of
            parts done and the number of all. Default None.

    Returns:
        DrillSummary: Counts per split and shapes per class; ``str()`` of it is a table.

    Raises:
        InputError: Unknown level, bit depth or split, negative seed or number of parts, a path
            that cannot be written, or a file in the way that this function did not write.

    Example:
        >>> import tempfile
        >>> few = {'train': 2, 'val': 0, 'test': 0, 'unlabeled': 1}
        >>> write_drill(tempfile.mkdtemp(), parts=few).splits['train'].images
        16
    """
    out = Path(out)
    difficulty = get_level(level)
    counts = _check_parts(parts)
    if seed < 0:
        raise InputError(f'sample-data drill: seed must be >= 0, got {seed}')
    if bit_depth not in _BIT_DEPTHS:
        raise InputError(
            f'sample-data drill: bit_depth must be one of {_BIT_DEPTHS}, got {bit_depth}'
        )
    info = {
        'description': 'Generated end views of drill bits',
        'generator': _GENERATOR,
        'recipe': _RECIPE,
        'level': level,
        'seed': seed,
        'parts': counts,
        # Not in 8-bit data, whose bytes stay as they always were.
        **({'bit_depth': bit_depth} if bit_depth > 8 else {}),
    }
    found = _read_ours(out)
    if _is_complete(out, info, found):
        return summarise(out, level, seed, True, _labelled(found), bit_depth)
    _clear(out, counts, bit_depth, ours=bool(found) or (out / _MARKER).exists())
    write_json(out / _MARKER, info)
    total, done = sum(counts.values()), 0
    documents = {}
    for split in SPLITS:
        document: dict[str, Any] = {
            'info': {**info, 'split': split},
            'categories': [{'id': i, 'name': name} for i, name in enumerate(CLASSES, start=1)],
            'images': [],
            'annotations': [],
        }
        for index, plan in enumerate(plan_split(seed, split, counts[split])):
            _write_part(out, document, split, index, plan, seed, difficulty, bit_depth)
            done += 1
            if progress is not None:
                progress(done, total)
        documents[split] = document
    labelled = dict(documents)
    documents['unlabeled_truth'] = labelled['unlabeled']
    documents['unlabeled'] = {**labelled['unlabeled'], 'annotations': []}
    for name, document in documents.items():
        write_json(out / f'{name}.json', document)
    (out / _MARKER).unlink()
    return summarise(out, level, seed, False, labelled, bit_depth)


def _check_parts(parts: Mapping[str, int] | None) -> dict[str, int]:
    reject_unknown_keys('sample-data drill parts', parts or {}, SPLITS)
    counts = {**DEFAULT_PARTS, **(parts or {})}
    for split, number in counts.items():
        if number < 0:
            raise InputError(f'sample-data drill: parts of {split} must be >= 0, got {number}')
    return counts


def _file_name(split: str, index: int, view_id: int, bit_depth: int) -> str:
    suffix = 'jpg' if bit_depth == 8 else 'png'
    return f'images/{split}/{split}_{index:04d}_v{view_id}.{suffix}'


def _document_names() -> tuple[str, ...]:
    return (*SPLITS, 'unlabeled_truth')


def _read_ours(out: Path) -> dict[str, dict[str, Any]]:
    """Read the COCO files in a folder; refuse to go on if one is not of this generator."""
    found = {}
    for name in _document_names():
        path = out / f'{name}.json'
        if not path.exists():
            continue
        try:
            document = json.loads(path.read_text(encoding='utf-8'))
            ours = document['info']['generator'] == _GENERATOR
        except (OSError, ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise InputError(f'{path}: not written by {_GENERATOR!r}; choose another folder')
        found[name] = document
    return found


def _is_complete(out: Path, info: dict[str, Any], found: Mapping[str, dict[str, Any]]) -> bool:
    """Tell whether the folder holds all files of exactly this data set."""
    if (out / _MARKER).exists() or set(found) != set(_document_names()):
        return False
    for name, document in found.items():
        if document['info'] != {**info, 'split': name.removesuffix('_truth')}:
            return False
        if not all((out / image['file_name']).is_file() for image in document['images']):
            return False
    return True


def _labelled(found: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Put the hidden truth in place of the unlabelled split."""
    return {split: found['unlabeled_truth' if split == 'unlabeled' else split] for split in SPLITS}


def _clear(out: Path, counts: Mapping[str, int], bit_depth: int, *, ours: bool) -> None:
    """Remove an older data set of ours; refuse to overwrite images of anyone else."""
    if not ours:
        for split in SPLITS:
            for index in range(counts[split]):
                for view_id in range(NUM_VIEWS):
                    path = out / _file_name(split, index, view_id, bit_depth)
                    if path.exists():
                        raise InputError(
                            f'{path}: exists and was not written by {_GENERATOR!r}; '
                            'choose another folder'
                        )
        return
    stale = [out / f'{name}.json' for name in _document_names()]
    for split in SPLITS:
        folder = out / 'images' / split
        if folder.is_dir():
            stale += sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    # An interrupted clean-up must still be known as ours.
    write_json(out / _MARKER, {})
    for path in stale:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f'{path}: cannot be removed ({error.strerror}); choose another folder'
            ) from error


def _write_part(
    out: Path,
    document: dict[str, Any],
    split: str,
    index: int,
    plan: list[PlannedDefect],
    seed: int,
    level: DrillLevel,
    bit_depth: int,
) -> None:
    """Render one part, write its views, add its images and annotations to the document."""
    rng = part_generator(seed, split, index)
    part = render_part(rng, plan, level)
    part_id = f'{split}_{index:04d}'
    for view in iterate_views(rng, part, level, bit_depth):
        name = _file_name(split, index, view.view_id, bit_depth)
        _write_image(out / name, view.image)
        image_id = len(document['images']) + 1
        document['images'].append(
            {
                'id': image_id,
                'file_name': name,
                'width': VIEW_SIZE,
                'height': VIEW_SIZE,
                'part_id': part_id,
                'view_id': view.view_id,
                'part_homography': view.homography.tolist(),
            }
        )
        for annotation in _annotate(part, part_id, view.homography):
            annotation_id = len(document['annotations']) + 1
            document['annotations'].append(
                {'id': annotation_id, 'image_id': image_id, **annotation}
            )


def _annotate(
    part: DrillPart, part_id: str, homography: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Make the annotations of one view."""
    size = (VIEW_SIZE, VIEW_SIZE)
    annotations = []
    for number, defect in enumerate(part.defects):
        visible = visible_share(defect.pixels(), homography, size)
        if visible < MIN_VISIBLE:
            continue
        mask = defect.mask_in(homography, size)
        box = tight_box(mask)
        if box is None:
            continue
        annotations.append(
            {
                'category_id': CLASSES.index(defect.label) + 1,
                'bbox': list(box),
                'area': int(mask.sum()),
                'iscrowd': 0,
                'defect_id': f'{part_id}_d{number}',
                'visible': round(visible, 4),
                'truncated': visible < 1,
                'radial_size': list(defect.radial_size(part.bit.centre)),
            }
        )
    return annotations


def _write_image(path: Path, image: NDArray[Any]) -> None:
    """Encode by suffix; the unfinished mark, not a rename per image, tells a broken-off run."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix == '.jpg' else []
    encoded = cv2.imencode(path.suffix, image, options)[1]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise InputError(
            f'{path}: cannot be written ({error.strerror}); choose a writable folder'
        ) from error
