"""The shapes of an image in CVAT's XML, as upright boxes."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from mmdefect.datasets.readers.shapes import Box, Shape, box_around, ellipse_box, turned_box
from mmdefect.datasets.readers.values import text_number
from mmdefect.errors import InputError

__all__ = ['read_shape']

_FEWEST_POINTS = {'polygon': 3, 'polyline': 2}
_BOXES = ('box', 'ellipse', 'mask', *_FEWEST_POINTS)


def read_shape(where: str, number: int, element: Element, classes: frozenset[str]) -> Shape:
    """Read one shape.

    Args:
        where (str): The shape, for messages.
        number (int): Its number within the image, from 1.
        element (Element): ``<box>``, ``<polygon>``, ``<polyline>``, ``<ellipse>`` or ``<mask>``.
        classes (frozenset[str]): The classes declared; empty allows any.

    Returns:
        Shape: Its box has NaN where a number is missing. Attributes, ``occluded`` and
        ``group_id`` are in its ``extra``.

    Raises:
        InputError: It is no shape with an area, or has no or an undeclared label.

    Example:
        >>> from xml.etree.ElementTree import fromstring
        >>> element = fromstring('<mask label="rust" left="3" top="4" width="5" height="6"/>')
        >>> read_shape('a.xml', 1, element, frozenset({'rust'})).box
        (3.0, 4.0, 8.0, 10.0)
    """
    if element.tag not in _BOXES:
        cure = 'draw a box or remove it'
        if element.tag in ('points', 'skeleton'):
            raise InputError(f'{where}: <{element.tag}> has no area; {cure}')
        raise InputError(f'{where}: <{element.tag}> is none of {", ".join(_BOXES)}; {cure}')
    label = (element.get('label') or '').strip()
    if not label:
        raise InputError(f'{where}: has no label; name its class')
    if classes and label not in classes:
        raise InputError(
            f'{where}: label {label!r} is not declared in <meta>; declared are '
            f'{", ".join(sorted(classes))}; export again'
        )
    extra: dict[str, object] = {
        name: (child.text or '').strip()
        for child in element.iterfind('attribute')
        if (name := child.get('name'))
    }
    if element.get('occluded') == '1':
        extra['occluded'] = True
    group = element.get('group_id')
    if group is not None:
        extra['group_id'] = group
    return Shape(label, _box(where, element), number, extra)


def _box(where: str, element: Element) -> Box:
    if element.tag in _FEWEST_POINTS:
        return box_around(_points(where, element))
    if element.tag == 'mask':
        left, top, width, height = _numbers(element, 'left', 'top', 'width', 'height')
        return left, top, left + width, top + height
    (degrees,) = _numbers(element, 'rotation') if element.get('rotation') else (0.0,)
    if element.tag == 'ellipse':
        cx, cy, rx, ry = _numbers(element, 'cx', 'cy', 'rx', 'ry')
        return ellipse_box((cx, cy), (rx, ry), degrees)
    x1, y1, x2, y2 = _numbers(element, 'xtl', 'ytl', 'xbr', 'ybr')
    # CVAT turns about the centre.
    return turned_box((x1, y1, x2, y2), degrees, ((x1 + x2) / 2, (y1 + y2) / 2))


def _numbers(element: Element, *names: str) -> tuple[float, ...]:
    return tuple(text_number(element.get(name)) for name in names)


def _points(where: str, element: Element) -> list[tuple[float, float]]:
    """``x,y;x,y``."""
    pairs = [pair.split(',') for pair in (element.get('points') or '').split(';')]
    fewest = _FEWEST_POINTS[element.tag]
    if len(pairs) < fewest or any(len(pair) != 2 for pair in pairs):
        raise InputError(
            f'{where}: <{element.tag}> needs points="x,y;x,y;..." with at least {fewest} of them; '
            'draw it again'
        )
    return [(text_number(x), text_number(y)) for x, y in pairs]
