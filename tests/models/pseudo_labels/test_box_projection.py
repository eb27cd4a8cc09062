from __future__ import annotations

import numpy as np
import torch
from mmdet.structures.bbox import bbox_project

from mmdefect.models.pseudo_labels.box_projection import project_boxes


def test_the_numbers_of_upstream_image_by_image():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(30, 2, generator=generator) * 50
    boxes = torch.cat([corner, corner + 1 + torch.rand(30, 2, generator=generator) * 30], 1)
    images = torch.arange(30) % 3
    angle = torch.tensor(0.3)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 5], [angle.sin(), angle.cos(), -3], [0, 0, 1]])
    tilt = torch.tensor([[1.2, 0, 3], [0, 0.8, 1], [1e-3, 2e-3, 1]])
    matrices = torch.stack([torch.eye(3), turn, tilt])
    shapes = torch.tensor([[64.0, 48], [50, 70], [60, 60]])
    ours = project_boxes(boxes, matrices[images], shapes[images])
    for image in range(3):
        shape = tuple(shapes[image].tolist())
        theirs = bbox_project(boxes[images == image], matrices[image], shape)
        torch.testing.assert_close(ours[images == image], theirs, atol=1e-3, rtol=1e-5)


def test_there_and_back():
    boxes = torch.tensor([[3.0, 4, 20, 30]])
    matrix = np.array([[-1.0, 0, 64], [0, 2, 0], [0, 0, 1]], np.float32)
    there = torch.from_numpy(matrix)[None]
    back = torch.from_numpy(np.linalg.inv(matrix))[None]
    wide = torch.tensor([[200.0, 200]])
    torch.testing.assert_close(project_boxes(project_boxes(boxes, there, wide), back, wide), boxes)


def test_none():
    empty = project_boxes(torch.zeros(0, 4), torch.zeros(0, 3, 3), torch.zeros(0, 2))
    assert empty.shape == (0, 4)
