"""A million boxes over 10,000 images through `mmdefect audit`; images per second of its checks.

    python benchmarks/audit.py [--boxes 1000000] [--images 10000] [--pictures 400] [--json]

Boxes: a COCO file with a fixed seed, audited by the command in a process of its own with
--no-images, tables, page and JSON file included; wall time and peak memory of that process
against the limits of 60 s and 2 GB. Pictures: 1024 x 768 JPEG files, everything that is asked of
them in two threads, against decoding them once in one thread. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import cv2
import numpy as np

LIMITS = (60.0, 2.0)
CLASSES = 10
SIZE = (1600, 1200)


def write_boxes(path: Path, images: int, boxes: int) -> None:
    """Write a COCO file: boxes anywhere, 2 to 60 pixels, ten classes.

    Args:
        path (Path): The file.
        images (int): Number of images.
        boxes (int): Number of boxes.
    """
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 1, (boxes, 2)) * [SIZE[0] - 60, SIZE[1] - 60]
    sizes = generator.lognormal(3, 0.6, (boxes, 2)).clip(2, 60)
    labels = generator.integers(1, CLASSES + 1, boxes).tolist()
    owners = (np.arange(boxes) * images // boxes + 1).tolist()
    rows = np.round(np.concatenate([corners, sizes], axis=1), 2).tolist()
    annotations = [
        {
            'id': number, 'image_id': image, 'category_id': label, 'bbox': box,
            'area': round(box[2] * box[3], 2), 'iscrowd': 0,
        }
        for number, (image, label, box) in enumerate(zip(owners, labels, rows, strict=True), 1)
    ]  # fmt: skip
    content = {
        'images': [
            {'id': number, 'file_name': f'{number:06d}.png', 'width': SIZE[0], 'height': SIZE[1]}
            for number in range(1, images + 1)
        ],
        'annotations': annotations,
        'categories': [{'id': n, 'name': f'class_{n}'} for n in range(1, CLASSES + 1)],
    }
    path.write_text(json.dumps(content), encoding='utf-8')


def measure_command(path: Path, folder: Path) -> tuple[float, float]:
    """Run the command on a COCO file.

    Args:
        path (Path): The file.
        folder (Path): Where the page goes.

    Returns:
        tuple[float, float]: Wall time in seconds and peak memory in GB.
    """
    code = 'from mmdefect.cli import main; main()'
    command = [
        sys.executable, '-c', code, 'audit', str(path), '--no-images', '--out',
        str(folder / 'audit.html'),
    ]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f'mmdefect audit stopped with exit code {process.returncode}')
    unit = 1 if sys.platform == 'darwin' else 1024
    return seconds, usage.ru_maxrss * unit / 1e9


def measure_pictures(folder: Path, count: int) -> tuple[float, float]:
    """Write pictures and inspect them.

    Args:
        folder (Path): Where they are written.
        count (int): How many.

    Returns:
        tuple[float, float]: Images per second of the checks, and of decoding alone.
    """
    from mmdefect.datasets.audit.image_files import inspect_images
    from mmdefect.datasets.images import decode_image, image_bytes

    generator = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small = generator.integers(0, 256, (48, 64, 3), np.uint8)
        paths.append(folder / f'{number}.jpg')
        cv2.imwrite(str(paths[-1]), cv2.resize(small, (1024, 768), interpolation=cv2.INTER_CUBIC))
    speeds: dict[str, list[float]] = {'checks': [], 'decoding': []}
    for _ in range(3):
        start = time.perf_counter()
        for _ in inspect_images(paths):
            pass
        speeds['checks'].append(count / (time.perf_counter() - start))
        start = time.perf_counter()
        for path in paths:
            decode_image(image_bytes(path), path)
        speeds['decoding'].append(count / (time.perf_counter() - start))
    return float(np.median(speeds['checks'])), float(np.median(speeds['decoding']))


def measure(images: int, boxes: int, pictures: int) -> list[dict[str, Any]]:
    """Measure both.

    Args:
        images (int): Images of the COCO file.
        boxes (int): Its boxes.
        pictures (int): Picture files.

    Returns:
        list[dict]: Rows for the table and for JSON.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_boxes(folder / 'boxes.json', images, boxes)
        seconds, memory = measure_command(folder / 'boxes.json', folder)
        checks, decoding = measure_pictures(folder, pictures)
    what = f'audit of {boxes} boxes over {images} images'
    return [
        _row(f'{what}, time against the limit', seconds, LIMITS[0], LIMITS[0] / seconds, 's'),
        _row(f'{what}, memory against the limit', memory, LIMITS[1], LIMITS[1] / memory, 'GB'),
        _row('image checks against decoding', checks, decoding, checks / decoding, 'img/s'),
    ]


def _row(name: str, ours: float, peer: float, ratio: float, unit: str) -> dict[str, Any]:
    return {'name': name, 'ours': ours, 'peer': peer, 'ratio': ratio, 'unit': unit}


def main() -> None:
    """Measure and print."""
    from machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--boxes', type=int, default=1_000_000)
    parser.add_argument('--images', type=int, default=10_000)
    parser.add_argument('--pictures', type=int, default=400)
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    # Imports print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        rows = measure(args.images, args.boxes, args.pictures)
        machine = describe_machine()
    if args.json:
        print(json.dumps({'machine': machine, 'rows': rows}))
        return
    print(f'machine: {machine}')
    for row in rows:
        values = f'{row["ours"]:.3g} {row["unit"]} ({row["peer"]:.3g})'
        print(f'{row["name"]}: {values}, ratio {row["ratio"]:.2f}')


if __name__ == '__main__':
    main()
