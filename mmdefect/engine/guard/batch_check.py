"""Images of a batch: which are not finite, what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

__all__ = ['broken_images', 'image_names']


def broken_images(batch: Any) -> list[str]:
    """Name the images with a pixel or a box that is not finite.

    Integer images cannot be and are not read; the others are read once.

    Args:
        batch (Any): What the loader yields: ``inputs`` and ``data_samples``, each flat over
            images or a dict of branches.

    Returns:
        list[str]: Path of each such image, or its place in the batch where it has none.

    Example:
        >>> broken_images({'inputs': [torch.zeros(3, 4, 4), torch.full((3, 4, 4), torch.nan)]})
        ['image 1 of the batch']
    """
    names = [
        _name(sample, index)
        for index, (image, sample) in enumerate(_images(batch))
        if not (_finite(image) and _finite(_boxes(sample)))
    ]
    return list(dict.fromkeys(names))


def image_names(batch: Any) -> list[str]:
    """Name all images of a batch.

    Args:
        batch (Any): As for :func:`broken_images`.

    Returns:
        list[str]: Path of each image, each once, in the order of the batch.

    Example:
        >>> image_names({'inputs': torch.zeros(2, 3, 4, 4)})
        ['image 0 of the batch', 'image 1 of the batch']
    """
    names = [_name(sample, index) for index, (_, sample) in enumerate(_images(batch))]
    return list(dict.fromkeys(names))


def _images(batch: Any) -> Iterator[tuple[Any, Any]]:
    """Image and sample, one branch after the other; branches without an image hold None."""
    if not isinstance(batch, Mapping) or 'inputs' not in batch:
        return
    inputs, samples = batch['inputs'], batch.get('data_samples')
    if not isinstance(inputs, Mapping):
        inputs, samples = {'': inputs}, {'': samples}
    for branch, images in inputs.items():
        described = samples.get(branch) if isinstance(samples, Mapping) else None
        known = isinstance(described, Sequence) and len(described) == len(images)
        for index, image in enumerate(images):
            if image is not None:
                yield image, described[index] if known else None


def _boxes(sample: Any) -> Any:
    boxes = getattr(getattr(sample, 'gt_instances', None), 'bboxes', None)
    return getattr(boxes, 'tensor', boxes)


def _finite(value: Any) -> bool:
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return True
    return bool(value.isfinite().all())


def _name(sample: Any, index: int) -> str:
    path = getattr(sample, 'img_path', None)
    return str(path) if path is not None else f'image {index} of the batch'
