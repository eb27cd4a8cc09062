"""What an image may be called on disk, from the address that a labelling server gives it."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote

__all__ = ['names_of_reference']

# Label Studio puts eight hexadecimal digits before the name of an uploaded file.
_UPLOAD = re.compile(r'(?:.*/)?[0-9a-f]{8}-([^/]+)')
_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]+://[^/]*/?')


def names_of_reference(reference: str) -> tuple[str, ...]:
    """Names to look for, the surest first.

    Understood are uploads (``/data/upload/1/abcd1234-name.jpg``, whose prefix may be absent on
    disk), local files (``/data/local-files/?d=folder/name.jpg``), addresses in the web or in a
    bucket (``s3://bucket/folder/name.jpg``), and plain paths. Nothing is fetched.

    Args:
        reference (str): What the task calls the image.

    Returns:
        tuple[str, ...]: Paths with forward slashes, below some folder; empty when the image
        itself stands there (``data:``).

    Example:
        >>> names_of_reference('/data/upload/1/abcd1234-name.jpg')
        ('upload/1/abcd1234-name.jpg', 'upload/1/name.jpg')
        >>> names_of_reference('/data/local-files/?d=rust%5C1.jpg')
        ('rust/1.jpg',)
    """
    reference = reference.strip()
    if reference.startswith('data:'):
        return ()
    scheme = _SCHEME.match(reference)
    path = reference[scheme.end() :] if scheme else reference
    served = path.lstrip('/')
    if served.startswith('data/local-files/'):
        # The web decodes a plus sign to a space, file names keep it.
        query = served.partition('?')[2].replace('+', '%2B')
        return _both(parse_qs(query).get('d', [''])[0])
    if served.startswith('data/upload/'):
        name = served.removeprefix('data/').partition('?')[0]
        found = _UPLOAD.fullmatch(name)
        short = name[: found.start(1)].rpartition('/')[0] + f'/{found[1]}' if found else ''
        return tuple(dict.fromkeys((*_both(name), *_both(short))))
    if scheme:
        # A signature may follow the name, but a key in a bucket may hold a question mark.
        return tuple(dict.fromkeys((*_both(path.partition('?')[0]), *_both(path))))
    return _both(path)


def _both(path: str) -> tuple[str, ...]:
    """A path as it is and with %20 decoded."""
    names = (path, unquote(path))
    return tuple(dict.fromkeys(name.replace('\\', '/') for name in names if name))
