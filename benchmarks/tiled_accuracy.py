"""Tiles against whole images scaled to fit: the same weights, on real images.

    MMDEFECT_DATA=... python benchmarks/tiled_accuracy.py [--neu-det CONFIG CHECKPOINT]
        [--deep-pcb CONFIG CHECKPOINT] [--tile 256] [--score 0.3] [--seeds 0 1 2] [--json]

NEU-DET: the images that the config tests, in an order drawn by the seed, eight of 200x200 px side
by side in strips of 1600x200 px; those left over stay out. DeepPCB: its boards of 640x640 px.

Tiles are scaled as the test pipeline scales images of the data set, so that defects have the size
they had in training. Whole images are scaled to that size too, to MMDetection's defaults of COCO
(1333, 800) and of its one-stage detectors (640, 640), and by the config's own `Resize` as it
stands; always with their aspect kept. All keep 1,000 boxes per tile or image. `recall < 50 px` is
that of boxes both of whose sides are shorter, at scores from --score on, where `precision` is that
of all boxes; a box is found at an IoU of .5. `Mpx` is what the model sees of an image. In the rows
of --json `ours` are tiles and `peer` whole images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from machine import describe_machine

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.engine.launch import run
from mmdefect.errors import InputError

SIDE_BY_SIDE = 8
SMALL = 50
MAX_DETS = 1000
# (w, h) in pixels.
COMMON_SCALES = ((1333, 800), (640, 640))
MEASURES = ('AP50', f'recall < {SMALL} px', 'precision', 'Mpx')


class LabelledImage(NamedTuple):
    """An image with its boxes, ``xyxy`` in pixels, and class indices."""

    pixels: npt.NDArray[Any]
    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]


def main() -> None:
    """Predict, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ('neu-det', 'deep-pcb'):
        parser.add_argument(f'--{name}', nargs=2, type=Path, metavar=('CONFIG', 'CHECKPOINT'))
    parser.add_argument('--tile', type=int, default=256, help='side of a tile in pixels')
    parser.add_argument('--overlap', type=float, default=0.5, help='share of a tile')
    parser.add_argument('--score', type=float, default=0.3, help='threshold of recall, precision')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='orders in strips')
    parser.add_argument('--images', type=int, help='fewer images, for a trial of the script')
    parser.add_argument('--amp', action='store_true', help='compute in bfloat16')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    if not (args.neu_det or args.deep_pcb):
        raise InputError(
            'give --neu-det or --deep-pcb CONFIG CHECKPOINT; `python tools/train.py '
            'configs/retinanet/retinanet_r18_fpn_neu-det.py --amp` makes one in work_dirs/'
        )
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        machine = describe_machine()
        tables = {}
        if args.neu_det:
            detector = Detector(*args.neu_det, args)
            strips = [detector.measure(join(detector.images, seed)) for seed in args.seeds]
            title = f'NEU-DET, strips of {SIDE_BY_SIDE} images, seeds {args.seeds}'
            tables[title] = strips
        if args.deep_pcb:
            detector = Detector(*args.deep_pcb, args)
            tables['DeepPCB, boards'] = [detector.measure(detector.images)]
    if args.json:
        rows = [row for title, found in tables.items() for row in make_rows(title, found)]
        print(json.dumps({'machine': machine, 'rows': rows}))
        return
    print(f'machine: {machine["cpu"]}, {machine["threads"]} threads')
    for title, found in tables.items():
        print(f'\n| {title} | ' + ' | '.join(MEASURES) + ' |\n|---|' + '---|' * len(MEASURES))
        for view in found[0]:
            cells = (cell([one[view][name] for one in found]) for name in MEASURES)
            print(f'| {view} | ' + ' | '.join(cells) + ' |')


class Detector:
    """A trained detector, the labelled images that its config tests, and ways to look at them.

    Args:
        config_file (Path): Config of a detector of single images, tiled or not, or of one of
            several views, which then sees the view to inspect alone.
        checkpoint (Path): Its weights.
        args (argparse.Namespace): The command line.
    """

    def __init__(self, config_file: Path, checkpoint: Path, args: argparse.Namespace) -> None:
        from mmdefect.engine.config_file import read_config
        from mmdefect.engine.predict import inner_dataset, load_model

        config = read_config(config_file)
        if config.model.type == 'mmdefect.TiledDetector':
            config.model = config.model.detector
        limits = config.model.test_cfg
        limits.get('rcnn', limits).max_per_img = MAX_DETS
        self.model = load_model(config, checkpoint)
        self.args = args
        dataset = inner_dataset(config.test_dataloader.dataset)
        self.images = list(read_images(dataset.reader, self.model.classes, args.images))
        steps = dataset.pipeline
        if steps[0].type == 'mmdefect.PerView':
            steps = steps[0].transforms
        sizes = [tuple(step.scale) for step in steps if step.type.endswith('Resize')]
        sides = self.images[0].pixels.shape[1::-1]
        self.own_size = sizes[0] if sizes else None
        self.factor = min(np.divide(sizes[0], sides)) if sizes else 1.0

    def measure(self, images: Sequence[LabelledImage]) -> dict[str, dict[str, float]]:
        """Measure tiles, and every way to scale whole images.

        Args:
            images (Sequence[LabelledImage]): Images of one size.

        Returns:
            dict[str, dict[str, float]]: ``MEASURES``, by the name of what the model sees; tiles
            first.
        """
        from mmdefect.inference import TileGrid, TileMerge

        sides = images[0].pixels.shape[1::-1]
        as_trained = dict(scale_factor=self.factor)
        tiles = TileGrid((self.args.tile, self.args.tile), self.args.overlap)
        name = f'tiles of {self.args.tile} px, overlap {self.args.overlap:g}'
        views = {name: self.look(images, tiles, TileMerge(), as_trained)}
        scales = {tuple(round(side * self.factor) for side in sides)}
        for scale in (*COMMON_SCALES, self.own_size):
            if scale is not None:
                factor = min(max(scale) / max(sides), min(scale) / min(sides))
                scales.add(tuple(int(side * factor + 0.5) for side in sides))
        one = TileGrid(sides)
        for width, height in sorted(scales, reverse=True):
            step = dict(scale=(width, height))
            # What the model has suppressed is final.
            merge = TileMerge(threshold=1.0)
            views[f'whole at {width}x{height}'] = self.look(images, one, merge, step)
        return views

    def look(self, images: Sequence[LabelledImage], grid: Any, merge: Any, resize: Any) -> Any:
        """Measure one way to look at images.

        Args:
            images (Sequence[LabelledImage]): Images of one size.
            grid (TileGrid): What the model sees of them at a time.
            merge (TileMerge): How overlapping boxes are merged.
            resize (Mapping): Arguments of ``Resize`` that scale that.

        Returns:
            dict[str, float]: ``MEASURES``.
        """
        from mmdefect.engine.predict import TrainedModel
        from mmdefect.evaluation import ImageResult
        from mmdefect.inference import Inspector
        from mmdefect.inference.tile_pipeline import TilePipeline

        steps = [dict(type='mmdefect.LoadImage'), dict(type='mmdet.Resize', **resize)]
        model = TrainedModel(self.model.model, steps, self.model.classes)
        inspector = Inspector(model, grid, merge=merge, amp=self.args.amp)
        results = []
        for image, found in zip(images, inspector.inspect(i.pixels for i in images), strict=True):
            seen, (_, *truth) = found.detections, image
            results.append(
                ImageResult(
                    found.source, found.width, found.height, *truth,
                    seen.boxes, seen.labels, seen.scores,
                )
            )  # fmt: skip
        prepare, pixels = TilePipeline(steps), images[0].pixels
        parts = (pixels[y1:y2, x1:x2] for x1, y1, x2, y2 in grid.boxes(*pixels.shape[1::-1]))
        area = sum(prepare(part)[0][0].numel() for part in parts) / 1e6
        scores = measure(results, len(self.model.classes), self.args.score)
        return dict(zip(MEASURES, (*scores, area), strict=True))


def read_images(
    reader: Mapping[str, Any], classes: Sequence[str], limit: int | None
) -> Iterator[LabelledImage]:
    """Read images with their boxes.

    Args:
        reader (Mapping[str, Any]): Config of the reader.
        classes (Sequence[str]): Names of the classes, by index.
        limit (int | None): Most images.

    Yields:
        LabelledImage: Each image.
    """
    from mmdefect.datasets import read_image
    from mmdefect.registry import READERS

    records = READERS.build({**reader, '_scope_': 'mmdefect'})
    for record in [*records][:limit]:
        labels = np.array([classes.index(name) for name in record.labels], np.int64)
        yield LabelledImage(read_image(record.path), record.boxes, labels, record.ignored)


def join(images: Sequence[LabelledImage], seed: int) -> list[LabelledImage]:
    """Put images of one size side by side.

    Args:
        images (Sequence[LabelledImage]): Images.
        seed (int): Of their order.

    Returns:
        list[LabelledImage]: Strips of ``SIDE_BY_SIDE`` images.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    width = images[0].pixels.shape[1]
    shifts = np.arange(SIDE_BY_SIDE)[:, None] * np.float32([width, 0, width, 0])
    strips = []
    for chosen in order[: len(order) // SIDE_BY_SIDE * SIDE_BY_SIDE].reshape(-1, SIDE_BY_SIDE):
        pixels, boxes, labels, ignored = zip(*(images[index] for index in chosen), strict=True)
        moved = [part + shift for part, shift in zip(boxes, shifts, strict=True)]
        joined = map(np.concatenate, (moved, labels, ignored))
        strips.append(LabelledImage(np.hstack(pixels), *joined))
    return strips


def measure(results: Sequence[Any], classes: int, score: float) -> tuple[float, float, float]:
    """Measure detections.

    Args:
        results (Sequence[ImageResult]): Of each image.
        classes (int): Number of classes.
        score (float): Threshold of recall and precision.

    Returns:
        tuple[float, float, float]: AP50, recall of small boxes, precision.
    """
    from mmdefect.evaluation.coco_scores import score_boxes
    from mmdefect.evaluation.flat_boxes import flatten_images
    from mmdefect.evaluation.matching import IGNORED, find_overlaps, match_detections
    from mmdefect.evaluation.score_table import reaches

    flat = flatten_images(results, MAX_DETS)
    overlaps = find_overlaps(flat)
    matches = match_detections(flat, overlaps)
    counted = matches[reaches(flat.scores, score) & (matches != IGNORED)]
    small = ((flat.truth[:, 2:] - flat.truth[:, :2]) < SMALL).all(1) & ~flat.truth_ignored
    hits = counted[counted >= 0]
    return (
        score_boxes(flat, overlaps, classes).summary()['AP50'],
        float(small[hits].sum() / max(small.sum(), 1)),
        len(hits) / max(len(counted), 1),
    )


def make_rows(
    title: str, found: Sequence[Mapping[str, Mapping[str, float]]]
) -> Iterator[dict[str, Any]]:
    """Compare tiles with every way to scale whole images.

    Args:
        title (str): Of the data.
        found (Sequence[Mapping]): Of each seed, from :meth:`Detector.measure`.

    Yields:
        dict[str, Any]: A row of the benchmarks' format.
    """
    tiles, *whole = found[0]
    for view in whole:
        for name in MEASURES:
            values = [one[tiles][name] for one in found]
            ours, peer = (statistics.fmean(one[at][name] for one in found) for at in (tiles, view))
            ratio = None
            if ours and peer:
                ratio = peer / ours if name == 'Mpx' else ours / peer
            yield {
                'name': f'{title}: {name}, {tiles} against {view}', 'ours': ours, 'peer': peer,
                'ratio': ratio, 'unit': name, 'n': len(found),
                'lowest': min(values), 'highest': max(values),
            }  # fmt: skip


def cell(values: Sequence[float]) -> str:
    """Write a mean and its range.

    Args:
        values (Sequence[float]): Of each seed.

    Returns:
        str: Of a table.
    """
    mean = f'{statistics.fmean(values):.3f}'
    if max(values) - min(values) < 5e-4:
        return mean
    return f'{mean} ({min(values):.3f} to {max(values):.3f})'


if __name__ == '__main__':
    run(lambda _: main())
