"""From samples to the images and boxes that reach the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmdefect.engine.browse.samples import Sample
from mmdefect.wording import counted

__all__ = ['ModelView', 'split_views', 'to_model', 'to_picture']


@dataclass(frozen=True)
class ModelView:
    """One image as the model sees it.

    Args:
        branch (str): Branch of a multi-branch pipeline or number of a view; empty where a sample
            has only one image.
        picture (NDArray[np.uint8]): BGR, ``(h, w, 3)``, padding included.
        channels (int): Channels of the model's input.
        boxes (NDArray[np.float32] | None): xyxy in pixels of the picture, shape (n, 4); None
            where the pipeline loads none.
        labels (NDArray[np.int64]): Class indices of the boxes, shape (n,); of a classifier's sample
            the classes that the image shows.
        ignored (NDArray[np.float32]): Boxes that neither train nor count, shape (m, 4).
        path (str): The image file; empty where unknown.
        annotated (int | None): Boxes annotated in the image file; None where unknown.
        classified (bool): The sample is a classifier's, with labels and without boxes. Default
            False.

    Example:
        >>> empty = np.zeros((0, 4), np.float32)
        >>> ModelView('', np.zeros((4, 4, 3), np.uint8), 3, empty, np.zeros(0, np.int64),
        ...           empty, 'a.png', 0).state
        'good'
    """

    branch: str
    picture: NDArray[np.uint8]
    channels: int
    boxes: NDArray[np.float32] | None
    labels: NDArray[np.int64]
    ignored: NDArray[np.float32]
    path: str
    annotated: int | None
    classified: bool = False

    @property
    def state(self) -> str:
        """What there is in the image, in words."""
        # MMDetection's name for branches without labels.
        if self.branch.startswith('unsup'):
            return 'no labels'
        if self.boxes is None and not self.classified:
            return 'boxes not loaded'
        if len(self.labels):
            kind = ('class', 'classes') if self.classified else ('box', 'boxes')
            return counted(len(self.labels), *kind)
        if len(self.ignored) or self.annotated:
            return f'0 of {counted(self.annotated or len(self.ignored), "box", "boxes")} left'
        return 'good'


def split_views(sample: Sample) -> dict[str, tuple[torch.Tensor, Any]]:
    """Take the images of one sample apart.

    Args:
        sample (Sample): What a pipeline made: one image, one per branch (``MultiBranch``), a list
            of views, or a part with ``views`` that are one of these.

    Returns:
        dict[str, tuple[Tensor, DetDataSample | None]]: Image and data sample by branch or view;
        branches that the sample lacks are left out. The name is empty for a single image.

    Example:
        >>> image = torch.zeros(3, 4, 4)
        >>> list(split_views(Sample(0, 0, None, {'inputs': {'sup': image, 'unsup': None}})))
        ['sup']
        >>> list(split_views(Sample(0, 0, None, {'inputs': [image, image]})))
        ['view 0', 'view 1']
    """
    if 'views' in sample.item:
        return {
            f'{name} view {pair[1].view_id}'.lstrip(): pair
            for view in sample.item['views']
            for name, pair in split_views(replace(sample, item=view)).items()
        }
    inputs, data = sample.item['inputs'], sample.item.get('data_samples')
    if isinstance(inputs, Mapping):
        data = data or {}
        return {
            name: (image, data.get(name)) for name, image in inputs.items() if image is not None
        }
    if isinstance(inputs, (list, tuple)):
        data = data if isinstance(data, (list, tuple)) else [data] * len(inputs)
        return {
            f'view {number}': pair for number, pair in enumerate(zip(inputs, data, strict=True))
        }
    return {'': (inputs, data)}


def to_model(
    samples: Sequence[Sample], preprocessor: Any, *, training: bool, rgb_input: bool = False
) -> list[dict[str, ModelView]]:
    """Run one batch through the preprocessor, branch by branch, and turn it into pictures.

    Args:
        samples (Sequence[Sample]): A batch; all with the same branches.
        preprocessor (nn.Module): The model's ``data_preprocessor``, that of one branch.
        training (bool): As in training: with batch augmentations.
        rgb_input (bool): The model sees BGR, made from RGB (``rgb_to_bgr``). Default False.

    Returns:
        list[dict[str, ModelView]]: Per sample its views by branch.

    Example:
        >>> sample = Sample(0, 0, None, {'inputs': torch.zeros(3, 4, 4)})
        >>> views = to_model([sample], lambda data, training: data, training=False)
        >>> views[0][''].picture.shape
        (4, 4, 3)
    """
    split = [split_views(sample) for sample in samples]
    seen: list[dict[str, ModelView]] = [{} for _ in samples]
    for branch in split[0]:
        images, data = zip(*(views[branch] for views in split), strict=True)
        batch = {'inputs': list(images), 'data_samples': None if None in data else list(data)}
        done = preprocessor(batch, training)
        for number, image in enumerate(done['inputs']):
            record = done['data_samples'][number] if done['data_samples'] else None
            seen[number][branch] = ModelView(
                branch=branch,
                picture=to_picture(image, preprocessor, rgb_input=rgb_input),
                channels=int(image.shape[0]),
                **_boxes(record),
                path=str(getattr(record, 'img_path', '') or ''),
                annotated=_annotated(samples[number], record),
            )
    return seen


def to_picture(
    image: torch.Tensor, preprocessor: Any, *, rgb_input: bool = False
) -> NDArray[np.uint8]:
    """Undo the preprocessor's own normalisation and order of channels.

    Args:
        image (Tensor): One image of a model's input, shape (1 or 3, h, w).
        preprocessor (nn.Module): What made it; its ``mean``, ``std`` and channel conversion are
            undone where it has them.
        rgb_input (bool): The model sees BGR, made from RGB. Default False.

    Returns:
        NDArray[np.uint8]: BGR, (h, w, 3); values beyond 0 and 255 are cut.

    Example:
        >>> to_picture(torch.full((1, 2, 2), 300.), None).tolist()[0][0]
        [255, 255, 255]
    """
    image = image.detach().float().cpu()
    if getattr(preprocessor, '_enable_normalize', False):
        image = image * preprocessor.std.cpu() + preprocessor.mean.cpu()
    if image.shape[0] == 1:
        image = image.expand(3, -1, -1)
    elif getattr(preprocessor, '_channel_conversion', False) and not rgb_input:
        image = image[[2, 1, 0]]
    pixels = image.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.numpy())


def _annotated(sample: Sample, record: Any) -> int | None:
    """Boxes annotated in the image: a part counts those of all its views."""
    return len(record.instances) if 'views' in sample.item else sample.annotated


def _boxes(record: Any) -> dict[str, Any]:
    """Boxes, labels and ignored boxes of a data sample, or what a classifier learns."""
    none = np.zeros((0, 4), np.float32)
    scores = getattr(record, 'gt_score', None)
    if scores is not None:
        labels = np.flatnonzero(scores.cpu().numpy() > 0)
        return {'boxes': None, 'labels': labels, 'ignored': none, 'classified': True}
    truth = getattr(record, 'gt_instances', None)
    if truth is None or 'bboxes' not in truth:
        return {'boxes': None, 'labels': np.zeros(0, np.int64), 'ignored': none}
    left_out = getattr(record, 'ignored_instances', None)
    return {
        'boxes': _corners(truth.bboxes),
        'labels': truth.labels.cpu().numpy().astype(np.int64),
        'ignored': none if left_out is None else _corners(left_out.bboxes),
    }


def _corners(boxes: Any) -> NDArray[np.float32]:
    tensor = getattr(boxes, 'tensor', boxes)
    return tensor.detach().float().cpu().numpy().reshape(-1, 4)
