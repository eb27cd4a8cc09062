"""Parts with several views, as a COCO file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_parts(tmp_path):
    """``write_parts(views=(3, 2), size=(30, 20), change=None)`` -> path of a COCO file.

    Part ``p<i>`` has ``views[i]`` views of ``size`` (w, h), whose pixels all hold its number
    ``10 * i + view``, one box in view 0, and a shift as homography. ``change`` gets the content.
    """

    def write(views=(3, 2), size=(30, 20), change=None, name='train'):
        content = {'images': [], 'annotations': [], 'categories': [{'id': 0, 'name': 'rust'}]}
        for part, count in enumerate(views):
            for view in range(count):
                number = len(content['images'])
                file_name = f'{name}/p{part}_v{view}.png'
                (tmp_path / name).mkdir(exist_ok=True)
                pixels = np.full((size[1], size[0], 3), 10 * part + view, np.uint8)
                Image.fromarray(pixels).save(tmp_path / file_name)
                shift = [[1, 0, 5 * view], [0, 1, 0], [0, 0, 1]]
                content['images'].append(
                    {'id': number, 'file_name': file_name, 'width': size[0], 'height': size[1],
                     'part_id': f'p{part}', 'view_id': view, 'part_homography': shift}
                )  # fmt: skip
                if view == 0:
                    content['annotations'].append(
                        {'image_id': number, 'category_id': 0, 'bbox': [3, 4, 10, 6],
                         'defect_id': part}
                    )  # fmt: skip
        if change is not None:
            change(content)
        path = tmp_path / f'{name}.json'
        path.write_text(json.dumps(content))
        return path

    return write
