"""Draw the pictures of the README from the demo's evaluation.

python docs/make_pictures.py [--work-dir work_dirs/demo]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from mmdefect.datasets.images import read_image
from mmdefect.drawing import contact_sheet, draw_boxes

FOLDER = Path(__file__).resolve().parent / 'images'
COLUMNS, ROWS, ENLARGED, SCORE = 6, 2, 2, 0.4


def main() -> None:
    """Write ``docs/images/demo.jpg``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    args = parser.parse_args()
    evaluation = json.loads((args.work_dir / 'evaluation.json').read_text(encoding='utf-8'))
    defective = [image for image in evaluation['images'] if image['ground_truth']]
    step = max(1, len(defective) // (COLUMNS * ROWS))
    tiles = [_draw(image, evaluation['classes']) for image in defective[::step]]
    sheet = contact_sheet(tiles[: COLUMNS * ROWS], COLUMNS, cell=(240, 240))
    FOLDER.mkdir(exist_ok=True)
    cv2.imwrite(str(FOLDER / 'demo.jpg'), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(FOLDER / 'demo.jpg')


def _draw(image: dict, classes: list[str]) -> np.ndarray:
    pixels = read_image(image['path'])
    pixels = cv2.resize(pixels, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    truth = np.array(image['ground_truth'], float).reshape(-1, 6)
    found = np.array(image['detections'], float).reshape(-1, 6)
    found = found[found[:, 5] >= SCORE]
    pixels = draw_boxes(pixels, truth[:, :4] * ENLARGED, truth[:, 4].astype(int), dashed=True)
    return draw_boxes(
        pixels, found[:, :4] * ENLARGED, found[:, 4].astype(int), found[:, 5], classes=classes
    )


if __name__ == '__main__':
    main()
