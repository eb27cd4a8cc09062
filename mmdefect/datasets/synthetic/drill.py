"""Write the drill data set: images first, COCO files last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.drill_level import LEVELS, DrillLevel
from mmdefect.datasets.synthetic.drill_part import DrillPart, iterate_views, render_part
from mmdefect.datasets.synthetic.drill_plan import (
    CLASSES,
    SPLITS,
    PlannedDefect,
    part_generator,
    plan_split,
)
from mmdefect.datasets.synthetic.drill_summary import DrillSummary, summarise
from mmdefect.datasets.synthetic.sample_arguments import check_seed, find_level, part_counts
from mmdefect.datasets.synthetic.sample_folder import SampleFolder
from mmdefect.datasets.synthetic.views import NUM_VIEWS, VIEW_SIZE, tight_box, visible_share
from mmdefect.errors import InputError

__all__ = ['DEFAULT_PARTS', 'MIN_VISIBLE', 'write_drill']

DEFAULT_PARTS = {'train': 60, 'val': 16, 'test': 16, 'unlabeled': 60}
# Share of a defect's area that a view must show for the view to get a box. Less of it is a sliver
# at the crop's edge that no one could name, and whose box would teach the detector edges.
MIN_VISIBLE = 0.4

# Raise with every change of the drawn pixels or the file layout: older data are then replaced.
_RECIPE = 1
_BIT_DEPTHS = (8, 10, 12, 14, 16)
_NAME = rf'({"|".join(SPLITS)})_\d{{4,}}_v[0-{NUM_VIEWS - 1}]\.(jpg|png)'


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
    folder = SampleFolder(out, 'drill', (*SPLITS, 'unlabeled_truth'), _NAME)
    difficulty = find_level('drill', LEVELS, level)
    counts = part_counts('drill', DEFAULT_PARTS, parts)
    check_seed('drill', seed)
    if bit_depth not in _BIT_DEPTHS:
        raise InputError(
            f'sample-data drill: bit_depth must be one of {_BIT_DEPTHS}, got {bit_depth}'
        )
    info = {
        'description': 'Generated end views of drill bits',
        'generator': folder.generator,
        'recipe': _RECIPE,
        'level': level,
        'seed': seed,
        'parts': counts,
        # Not in 8-bit data, whose bytes stay as they always were.
        **({'bit_depth': bit_depth} if bit_depth > 8 else {}),
    }
    found = folder.read()
    if folder.is_complete(info, found):
        return summarise(out, level, seed, True, _labelled(found), bit_depth)
    planned = (
        _file_name(split, index, view_id, bit_depth)
        for split in SPLITS
        for index in range(counts[split])
        for view_id in range(NUM_VIEWS)
    )
    folder.start(info, planned, folder.is_ours(found))
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
            _write_part(folder, document, split, index, plan, seed, difficulty, bit_depth)
            done += 1
            if progress is not None:
                progress(done, total)
        documents[split] = document
    labelled = dict(documents)
    documents['unlabeled_truth'] = labelled['unlabeled']
    documents['unlabeled'] = {**labelled['unlabeled'], 'annotations': []}
    folder.finish(documents)
    return summarise(out, level, seed, False, labelled, bit_depth)


def _file_name(split: str, index: int, view_id: int, bit_depth: int) -> str:
    suffix = 'jpg' if bit_depth == 8 else 'png'
    return f'images/{split}/{split}_{index:04d}_v{view_id}.{suffix}'


def _labelled(found: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Put the hidden truth in place of the unlabelled split."""
    return {split: found['unlabeled_truth' if split == 'unlabeled' else split] for split in SPLITS}


def _write_part(
    folder: SampleFolder,
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
        folder.write_image(name, view.image)
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
