"""Memory and time of `CentreRegionAssigner` against MMDetection's `MaxIoUAssigner`.

    python benchmarks/assign.py [--size 1040] [--boxes 150] [--rounds 3] [--json]

20 anchors at each place of five levels, 1.8 million at 1040 px, and touching products in rows.
First both assign scenes of many kinds under many options: one that differs in a single bit, on a
CPU, is named and ends the script with exit code 1. On a GPU, where MMDetection leaves the order
of ties open, scenes are compared on the CPU still. Memory is what one assignment needs at its
peak besides its input, its result included: on a CPU by the kernel's high-water mark in a process
of its own (Linux), on a GPU by PyTorch's allocator. In the rows "anchors in no order" the same
anchors are shuffled, so that no run of them lies together. About 10 GB of memory are needed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from timing import DEVICE, alternate, make_rows, print_rows

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.engine.launch import run

THRESHOLDS = {'pos_iou_thr': 0.5, 'neg_iou_thr': 0.4, 'min_pos_iou': 0.3}
STRIDES = (4, 8, 16, 32, 64)
OURS, SHUFFLED = 'ordered', 'anchors in no order'
OPTIONS = {
    'pos_iou_thr': (0.3, 0.5),
    'neg_iou_thr': (0.3, (0.1, 0.3)),
    'min_pos_iou': (0.0, 0.3),
    'gt_max_assign_all': (True, False),
    'match_low_quality': (True, False),
    'ignore_wrt_candidates': (True, False),
}


def make_anchors(size: int) -> torch.Tensor:
    """Anchors of the dense-shelf configs.

    Args:
        size (int): Side of the image in pixels.

    Returns:
        Tensor: Boxes ``x1, y1, x2, y2`` in pixels, float32, shape (N, 4).
    """
    from mmdet.models.task_modules.prior_generators import AnchorGenerator

    generator = AnchorGenerator(
        STRIDES,
        ratios=[1 / 3, 1 / 2, 1.0, 2.0, 1 / 0.3],
        scales=[0.5, 0.75, 1.0, 1.25],
        base_sizes=[8 * stride for stride in STRIDES],
    )
    sizes = [(-(-size // stride),) * 2 for stride in STRIDES]
    return torch.cat(generator.grid_priors(sizes, device='cpu'))


def make_shelf(boxes: int, size: float, seed: int = 0, step: float = 0.0) -> torch.Tensor:
    """Touching products in rows.

    Args:
        boxes (int): How many.
        size (float): Side of the image in pixels.
        seed (int): Of the generator. Default 0.
        step (float): Coordinates are multiples of it, which makes ties. Default 0: any.

    Returns:
        Tensor: Boxes ``x1, y1, x2, y2`` in pixels, float32, shape (K, 4).
    """
    generator = torch.Generator().manual_seed(seed)
    rows = max(1, round((boxes / 2) ** 0.5))
    height = size / rows
    found = []
    for row, count in enumerate([boxes // rows + (row < boxes % rows) for row in range(rows)]):
        widths = torch.rand(count, generator=generator) + 0.5
        right = widths.cumsum(0) / widths.sum() * size
        left = torch.cat([right.new_zeros(1), right[:-1]]) if count else right
        top = height * (row + 0.5 * torch.rand(count, generator=generator))
        bottom = torch.full_like(top, height * (row + 1))
        found.append(torch.stack([left, top, right, bottom], 1))
    shelf = torch.cat(found)
    return (shelf / step).round() * step if step else shelf


def make_scenes() -> Iterator[tuple[str, torch.Tensor, torch.Tensor, torch.Tensor | None]]:
    """Small scenes of many kinds.

    Yields:
        tuple: Name, priors (N, 4), boxes (K, 4), ignored boxes (I, 4) or None.
    """
    anchors = make_anchors(128)
    none, far = torch.zeros(0, 4), torch.tensor([[900.0, 900, 950, 950]])
    shelf, ties = make_shelf(30, 128), make_shelf(30, 128, step=16)
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        corner = torch.rand(40, 2, generator=generator) * 128
        boxes = torch.cat([corner, corner + torch.rand(40, 2, generator=generator) * 64], 1)
        whole = (boxes / 8).round() * 8
        yield f'random boxes {seed}', anchors, boxes[:30], boxes[30:]
        yield f'random boxes of whole cells {seed}', anchors, whole[:30], whole[30:]
        yield f'random priors {seed}', boxes.repeat(9, 1) + corner.repeat(9, 2) / 50, whole, None
    yield 'touching products', anchors, shelf, None
    yield 'touching products of whole cells', anchors, ties, shelf[:3]
    yield 'equal boxes', anchors, ties[:1].repeat(20, 1), None
    yield 'equal priors', ties[:1].repeat(300, 1), ties, None
    yield 'a box far from all priors', anchors, torch.cat([shelf, far, shelf]), shelf[:2]
    yield (
        'one-pixel and zero-area boxes',
        anchors,
        torch.cat([far * 0, far * 0 + far[0] / 900]),
        None,
    )
    yield 'no box', anchors, none, shelf[:2]
    yield 'no prior', none, shelf, None
    yield 'everything ignored', anchors, shelf, torch.tensor([[-999.0, -999, 999, 999]])


def assignment(kind: type, **options: Any) -> Callable[..., Any]:
    """Make a function that assigns boxes to priors.

    Args:
        kind (type): Class of the assigner.
        **options: Its keys.

    Returns:
        Callable: Takes priors, boxes and ignored boxes, returns an ``AssignResult``.
    """
    from mmengine.structures import InstanceData

    assigner = kind(**options)

    def assign(
        priors: torch.Tensor, boxes: torch.Tensor, ignored: torch.Tensor | None = None
    ) -> Any:
        labels = torch.arange(len(boxes), device=boxes.device) % 7
        return assigner.assign(
            InstanceData(priors=priors),
            InstanceData(bboxes=boxes, labels=labels),
            None if ignored is None else InstanceData(bboxes=ignored),
        )

    return assign


def kinds() -> tuple[type, type]:
    """Ours and MMDetection's assigner."""
    from mmdet.models.task_modules.assigners import MaxIoUAssigner

    from mmdefect.models import CentreRegionAssigner

    return CentreRegionAssigner, MaxIoUAssigner


def compare_scene(
    name: str,
    priors: torch.Tensor,
    boxes: torch.Tensor,
    ignored: torch.Tensor | None,
    options: dict[str, Any],
) -> None:
    """Assign with both and compare bit by bit.

    Args:
        name (str): Of the scene.
        priors (Tensor): Shape (N, 4).
        boxes (Tensor): Shape (K, 4).
        ignored (Tensor | None): Shape (I, 4).
        options (dict): Of the assigners.

    Raises:
        SystemExit: The assignments differ; code 1, and the scene is named.
    """
    ours, peer = (assignment(kind, **options)(priors, boxes, ignored) for kind in kinds())
    for key in ('gt_inds', 'max_overlaps', 'labels'):
        if not torch.equal(getattr(ours, key), getattr(peer, key)):
            print(f'scene {name!r} with {options}: {key} differ', file=sys.stderr)
            sys.exit(1)


def compare_scenes() -> int:
    """Compare all scenes under all options; returns how many were compared."""
    done = 0
    for name, priors, boxes, ignored in make_scenes():
        for values in itertools.product(*OPTIONS.values()):
            options = dict(zip(OPTIONS, values, strict=True), ignore_iof_thr=0.5)
            compare_scene(name, priors, boxes, ignored, options)
            done += 1
    return done


def workload(name: str, size: int, boxes: int) -> Callable[[], Any]:
    """One assignment of the large scene.

    Args:
        name (str): ``OURS``, ``SHUFFLED`` or ``'peer'``.
        size (int): Side of the image in pixels.
        boxes (int): Products.

    Returns:
        Callable: Assigns, returns the result.
    """
    anchors, shelf = make_anchors(size), make_shelf(boxes, size)
    if name == SHUFFLED:
        anchors = anchors[torch.randperm(len(anchors), generator=torch.Generator().manual_seed(0))]
    anchors, shelf = anchors.to(DEVICE), shelf.to(DEVICE)
    assign = assignment(kinds()[name == 'peer'], **THRESHOLDS)
    assign(anchors[:2000], shelf)
    return lambda: assign(anchors, shelf)


def peak_memory(name: str, size: int, boxes: int) -> float:
    """Peak of the memory that one assignment adds, in MB; in a process of its own.

    Args:
        name (str): As for :func:`workload`.
        size (int): Likewise.
        boxes (int): Likewise.

    Returns:
        float: MB, 10^6 bytes.
    """
    step = workload(name, size, boxes)
    if DEVICE == 'cuda':
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    Path('/proc/self/clear_refs').write_text('5', encoding='ascii')
    before = _status('VmRSS')
    step()
    return (_status('VmHWM') - before) * 1024 / 1e6


def _status(key: str) -> int:
    """A line of the kernel's report on this process, in KiB."""
    lines = Path('/proc/self/status').read_text(encoding='ascii').splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def memory_rows(size: int, boxes: int, scene: str) -> list[dict[str, Any]]:
    """Rows of peak memory."""
    peaks = {}
    # Freed blocks go back to the kernel at once, so that none is used again unseen.
    at_once = patch.dict(os.environ, MALLOC_MMAP_THRESHOLD_='65536')
    for name in (OURS, SHUFFLED, 'peer'):
        with at_once, ProcessPoolExecutor(1, get_context('spawn')) as pool:
            peaks[name] = pool.submit(peak_memory, name, size, boxes).result()
    peer = peaks.pop('peer')
    return [
        {
            'name': _row_name(f'memory, {scene}', name),
            'ours': peak,
            'peer': peer,
            'ratio': peer / peak,
            'unit': 'MB',
            'spread': 0.0,
        }
        for name, peak in peaks.items()
    ]


def time_rows(size: int, boxes: int, rounds: int, scene: str) -> list[dict[str, Any]]:
    """Rows of seconds."""
    steps = {name: workload(name, size, boxes) for name in (OURS, SHUFFLED, 'peer')}
    rows = make_rows(alternate(steps, rounds, repeats=1, warm_up=0))
    return [{**row, 'name': _row_name(f'time, {scene}', row['name'])} for row in rows]


def _row_name(what: str, name: str) -> str:
    return what if name == OURS else f'{what}, {name}'


def main() -> None:
    """Compare, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=1040, help='image side in pixels')
    parser.add_argument('--boxes', type=int, default=150, help='products in the image')
    parser.add_argument('--rounds', type=int, default=3, help='turns')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    with redirect_stdout(sys.stderr):
        compared = compare_scenes()
        anchors = make_anchors(args.size)
        scene = f'{len(anchors)} anchors x {args.boxes} boxes'
        compare_scene(scene, anchors, make_shelf(args.boxes, args.size), None, THRESHOLDS)
        row = {'name': 'the same assignment', 'ours': compared + 1, 'peer': compared + 1}
        rows = [{**row, 'ratio': 1.0, 'unit': 'scenes', 'spread': 0.0}]
        rows += memory_rows(args.size, args.boxes, scene)
        rows += time_rows(args.size, args.boxes, args.rounds, scene)
    print_rows(rows, args.json)


if __name__ == '__main__':
    run(lambda _: main())
