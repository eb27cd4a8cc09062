"""XML files of annotations: no document type, no entities, bounded depth; whole or streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import DTDForbidden, ElementTree

from mmdefect.errors import InputError

__all__ = ['read_xml', 'stream_xml']

_MAX_DEPTH = 50
_MAX_ELEMENTS = 200_000
_MAX_BYTES = 64 * 1024**2


def read_xml(path: Path, root: str, kind: str) -> Element:
    """Read a whole XML file.

    A document type, which could declare entities or name other files, is refused, so nothing is
    expanded or fetched. At most 200,000 elements, 50 deep, in 64 MiB.

    Args:
        path (Path): The XML file.
        root (str): Tag that its root must have.
        kind (str): What messages call the format.

    Returns:
        Element: The root.

    Raises:
        InputError: The file is missing, no XML, or not of this kind; the message names it.

    Example:
        >>> read_xml(Path('none.xml'), 'annotation', 'Pascal VOC')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.xml: annotation file is missing; check the path
    """
    elements = _parse(path, root, kind, keep=True)
    first = next(elements)
    for _ in elements:
        pass
    return first


def stream_xml(path: Path, root: str, kind: str) -> Iterator[Element]:
    """Read an XML file piece by piece: the elements directly below its root, one at a time.

    Refused is what :func:`read_xml` refuses. Memory is that of one such element, with at most
    200,000 elements in it; the file may have any size.

    Args:
        path (Path): The XML file.
        root (str): Tag that its root must have.
        kind (str): What messages call the format.

    Yields:
        Element: A complete child of the root, with all below it.

    Raises:
        InputError: As for :func:`read_xml`; what comes before the bad place is yielded first.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'a.xml'
        >>> _ = path.write_text('<a><image id="1"><box/></image><image id="2"/></a>')
        >>> [(image.get('id'), len(image)) for image in stream_xml(path, 'a', 'CVAT')]
        [('1', 1), ('2', 0)]
    """
    elements = _parse(path, root, kind, keep=False)
    next(elements)
    yield from elements


def _parse(path: Path, root: str, kind: str, keep: bool) -> Iterator[Element]:
    """The root, with its children to come; then each child when it is complete."""
    try:
        if not path.is_file():
            what = 'is a folder, not an XML file' if path.exists() else 'annotation file is missing'
            raise InputError(f'{path}: {what}; check the path')
        if keep and path.stat().st_size > _MAX_BYTES:
            raise InputError(
                f'{path}: the file has more than {_MAX_BYTES // 1024**2} MiB; give the right file'
            )
        with path.open('rb') as file:
            events = ElementTree.iterparse(file, ('start', 'end'), forbid_dtd=True)
            yield from _elements(path, events, root, kind, keep)
    except DTDForbidden as error:
        raise InputError(
            f'{path}: not a readable XML file (a document type is not accepted); export it again'
        ) from error
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f'{path}: cannot be read ({error.strerror or error}); check its permissions'
        ) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f'{path}: not a readable XML file ({error}); export it again') from error


def _elements(
    path: Path, events: Iterator[tuple[str, Element]], root: str, kind: str, keep: bool
) -> Iterator[Element]:
    top, depth, count = None, 0, 0
    for event, element in events:
        if event == 'end':
            depth -= 1
            if depth == 1:
                yield element
                if not keep and top is not None:
                    # The root would hold on to every child.
                    top.clear()
                    count = 0
            continue
        depth += 1
        count += 1
        if depth > _MAX_DEPTH:
            raise InputError(
                f'{path}: not {kind}: elements are nested more than {_MAX_DEPTH} deep; export it '
                'again'
            )
        if count > _MAX_ELEMENTS:
            raise InputError(
                f'{path}: more than {_MAX_ELEMENTS:,} elements in one piece; split the file'
            )
        if top is None:
            if element.tag != root:
                raise InputError(f'{path}: not {kind}: the root is <{element.tag}>, not <{root}>')
            top = element
            yield top
