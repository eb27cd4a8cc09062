"""Labels by class name: what config and annotations must agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mmdefect.datasets.readers import BaseReader
from mmdefect.errors import InputError, nearest_name

__all__ = ['SingleClass', 'label_of', 'map_labels']


class SingleClass(Mapping[str, int]):
    """Labels where every annotated class is the one class of a config, label 0.

    Example:
        >>> label_of('chip', SingleClass(), 'train.json', 'a.png')
        0
    """

    def __getitem__(self, name: str) -> int:
        """Label of a class, of whatever name."""
        return 0

    def __contains__(self, name: object) -> bool:
        """Every name is known."""
        return True

    def __iter__(self) -> Iterator[str]:
        """No name is stated."""
        return iter(())

    def __len__(self) -> int:
        """No name is stated."""
        return 0


def map_labels(
    classes: Sequence[str], reader: BaseReader, allow_missing_classes: bool = False
) -> dict[str, int]:
    """Number the classes of a config and compare them with those that a file declares.

    Args:
        classes (Sequence[str]): Class names in label order.
        reader (BaseReader): Reader of the annotations.
        allow_missing_classes (bool): Accept a file that does not declare all classes. Default
            False.

    Returns:
        dict[str, int]: Label of each class name, from 0.

    Raises:
        InputError: ``classes`` is one string, a name stands twice, or the file declares its
            classes and lacks one.

    Example:
        >>> from mmdefect.datasets.readers import VOCReader
        >>> map_labels(['rust', 'chip'], VOCReader('steel'))
        {'rust': 0, 'chip': 1}
    """
    if isinstance(classes, str):
        raise InputError(f'DefectDataset: classes must be a list of names, got {classes!r}')
    labels = {name: index for index, name in enumerate(classes)}
    if len(labels) < len(classes):
        twice = next(name for name, count in Counter(classes).items() if count > 1)
        raise InputError(f'DefectDataset: class {twice!r} stands twice in metainfo')
    if reader.declares_classes and not allow_missing_classes:
        declared = reader.classes
        missing = [name for name in labels if name not in declared]
        if missing:
            raise InputError(
                f'{reader.name}: class {missing[0]!r} of the config is not declared in the file'
                f'{_hint(missing[0], declared)}; config: {", ".join(labels)}; file: '
                f'{", ".join(declared)}; correct metainfo.classes or set '
                'allow_missing_classes=True'
            )
    return labels


def label_of(name: str, labels: Mapping[str, int], source: str, image: str) -> int:
    """Look up the label of an annotated class.

    Args:
        name (str): Class name as annotated.
        labels (Mapping[str, int]): What :func:`map_labels` returned.
        source (str): What messages call the annotations.
        image (str): The annotated image, for the message.

    Returns:
        int: The label, from 0.

    Raises:
        InputError: The config lacks the class; the message names the nearest one.

    Example:
        >>> label_of('chip', {'rust': 0, 'chip': 1}, 'train.json', 'a.png')
        1
    """
    if name not in labels:
        raise InputError(
            f'{source}: class {name!r} of {image} is not in the config{_hint(name, labels)}; '
            f'config: {", ".join(labels)}; add it to metainfo.classes'
        )
    return labels[name]


def _hint(name: str, known: Iterable[str]) -> str:
    near = nearest_name(name, known)
    return f' (did you mean {near!r}?)' if near else ''
