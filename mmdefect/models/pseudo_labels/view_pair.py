"""The same images as teacher and student see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError

__all__ = ['ViewPair', 'bare_samples', 'pair_views', 'pseudo_samples']


@dataclass(frozen=True)
class ViewPair:
    """Samples of both branches, and the way between their pixels.

    Args:
        teacher (list[DetDataSample]): Of the teacher's images; they hold no ground truth.
        student (list[DetDataSample]): Of the student's, in the same order.
        to_student (Tensor): Homographies from teacher's to student's pixels, float32, (B, 3, 3).
        to_teacher (Tensor): Their inverses.
        student_shapes (Tensor): ``h, w`` of the student's images, float32, shape (B, 2).
        teacher_shapes (Tensor): ``h, w`` of the teacher's images, float32, shape (B, 2).
    """

    teacher: list[DetDataSample]
    student: list[DetDataSample]
    to_student: Tensor
    to_teacher: Tensor
    student_shapes: Tensor
    teacher_shapes: Tensor


def bare_samples(samples: Sequence[DetDataSample]) -> list[DetDataSample]:
    """What samples say about their images, and nothing else: no ground truth.

    Args:
        samples (Sequence[DetDataSample]): Not changed.

    Returns:
        list[DetDataSample]: New ones with the same meta information.
    """
    return [DetDataSample(metainfo=sample.metainfo) for sample in samples]


def pair_views(
    teacher: list[DetDataSample], student: list[DetDataSample], device: torch.device
) -> ViewPair:
    """Compute the way between the pixels of teacher and student.

    Args:
        teacher (list[DetDataSample]): Of the teacher's images, with ``homography_matrix``
            (original to input pixels) and ``img_shape``.
        student (list[DetDataSample]): Of the student's.
        device (torch.device): Of the tensors.

    Returns:
        ViewPair: Both, and the homographies.

    Raises:
        InputError: The branches hold different images, or a sample has no homography.
    """
    names = [[sample.get('img_path') for sample in branch] for branch in (teacher, student)]
    if len(teacher) != len(student) or names[0] != names[1]:
        raise InputError(
            'MultiViewSoftTeacher: unsup_teacher and unsup_student must hold the same images in '
            f'the same order, got {names[0]} and {names[1]}'
        )
    to_teacher, to_student = (
        np.stack([_homography(sample) for sample in branch]) for branch in (teacher, student)
    )
    forward = to_student @ np.linalg.inv(to_teacher)
    shapes = (
        torch.tensor([sample.img_shape[:2] for sample in branch], dtype=torch.float32).to(device)
        for branch in (student, teacher)
    )
    return ViewPair(
        teacher,
        student,
        torch.from_numpy(forward.astype(np.float32)).to(device),
        torch.from_numpy(np.linalg.inv(forward).astype(np.float32)).to(device),
        *shapes,
    )


def pseudo_samples(
    samples: Sequence[DetDataSample], boxes: Sequence[InstanceData]
) -> list[DetDataSample]:
    """Samples that carry boxes as if they were ground truth.

    Args:
        samples (Sequence[DetDataSample]): Not changed.
        boxes (Sequence[InstanceData]): ``bboxes`` and ``labels`` of each image.

    Returns:
        list[DetDataSample]: New ones with ``gt_instances``.
    """
    carrying = bare_samples(samples)
    for sample, found in zip(carrying, boxes, strict=True):
        sample.gt_instances = InstanceData(bboxes=found.bboxes, labels=found.labels)
    return carrying


def _homography(sample: DetDataSample) -> np.ndarray:
    matrix = sample.get('homography_matrix')
    if matrix is None:
        raise InputError(
            f'{sample.get("img_path")}: no homography_matrix in the sample; name it in the '
            'meta_keys of the pipeline that packs it'
        )
    return np.asarray(matrix, np.float64)
