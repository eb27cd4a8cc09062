"""What a file is that should have been another one."""

from __future__ import annotations

import re

__all__ = ['file_kind']

# How binary files begin.
_SIGNATURES = (
    (b'\x80', 'a pickle, such as tools/test.py --out FILE.pkl writes'),
    (b'PK\x03\x04', 'a checkpoint or another ZIP archive'),
    (b'\xff\xd8\xff', 'a JPEG image'),
    (b'\x89PNG', 'a PNG image'),
    (b'<', 'XML or HTML'),
)
# Keys of JSON files that users have at hand.
_KEYS = (('annotations', 'COCO labels or detections'), ('categories', 'COCO labels'))


def file_kind(begin: bytes) -> str | None:
    """Say what a file looks like, for the error that refuses it.

    Args:
        begin (bytes): Its first bytes, or all of them.

    Returns:
        str | None: A few words; None where it looks like nothing in particular.

    Example:
        >>> file_kind(b'ImageId,ClassId'), file_kind(b'{"format": "mmdefect-policy/1"}')
        ('a CSV table', 'a file of format mmdefect-policy/1')
    """
    begin = begin.removeprefix(b'\xef\xbb\xbf').lstrip()
    if not begin:
        return 'an empty file'
    for signature, kind in _SIGNATURES:
        if begin.startswith(signature):
            return kind
    if begin.startswith((b'{', b'[')):
        named = re.search(rb'"format"\s*:\s*"([\w./-]{1,60})"', begin)
        if named:
            return f'a file of format {named[1].decode()}'
        if begin.startswith(b'['):
            return 'a JSON list, such as COCO detections'
        return next((kind for key, kind in _KEYS if f'"{key}"'.encode() in begin), None)
    first = begin.split(b'\n', 1)[0]
    return 'a CSV table' if b',' in first or b';' in first or b'\t' in first else None
