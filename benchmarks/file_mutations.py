"""Damage for files: truncations, swapped types, huge numbers, wrong encodings, hostile paths."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from random import Random
from typing import Any
from xml.etree import ElementTree

__all__ = ['Damage', 'apply', 'mutate', 'restore']

# New content, or what takes the place of the file.
Damage = bytes | str
FOLDER, MISSING, LINK_TO_ITSELF = 'folder', 'missing', 'link'

_IMAGES = ('.png', '.jpg', '.tif')
_PATHS = (
    '/etc/passwd', '/', '/dev/zero', '/proc/self/mem', '.', '..', '../../../../etc/passwd',
    '..\\..\\images\\a.png', 'C:\\Windows\\win.ini', '\\\\host\\share\\a.png', 'a.png\n', 'a\0.png',
    ' ', '', 'con', 'images', 'a.png/a.png', '\u202ea.png', 'file:///etc/passwd', '~/a.png',
    'x' * 300 + '.png', 'y/' * 3000 + 'a.png', '%2e%2e%2fa.png', 'b.jpg', './a.png', '$HOME/a.png',
)  # fmt: skip
_NUMBERS = (
    '0', '-0', '-1', '1e999', '-1e999', '1e308', '1e-320', 'nan', 'NaN', 'Infinity', '-inf',
    '9' * 25, '9' * 320, '9' * 5000, '2147483648', '99999999999999999999', '0.1', '1_000', '0x10',
    '1,5', '\u0661', '', 'x', '1e', '--1', '3.4e38', '3.5e38', '16777217', '1e7',
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, 2**31, 2**63, 10**300, 1e308, -1e308, float('nan'),
    float('inf'), 10**400, '', ' ', 'x', '1', 'a.png', 'a\nb', 'a\0b', '\ud800', 'z' * 100_000, [],
    [[]], [1], [1, 2, 3, 4], [None] * 4, ['1', '2', '3', '4'], [[1, 2], [3, 4]], {}, {'x': 1},
    {'': {}}, *_PATHS,
)  # fmt: skip
_BOMB = (
    '<!DOCTYPE a [<!ENTITY a "ha">'
    + ''.join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip('abcdefgh', 'bcdefghi', strict=True)
    )
    + ']>'
)
_DOCTYPES = (
    _BOMB, '<!DOCTYPE a SYSTEM "file:///etc/passwd">', '<!DOCTYPE a>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
)  # fmt: skip


def mutate(name: str, data: bytes, random: Random) -> tuple[str, Damage]:
    """Damage one file.

    Args:
        name (str): Its name, whose suffix says what it is.
        data (bytes): Its content.
        random (Random): Where chance comes from.

    Returns:
        tuple[str, Damage]: What was done, and the new content or what takes its place.
    """
    suffix = PurePosixPath(name).suffix
    kinds: list[Callable[[bytes, Random], Damage]] = [*_ANY]
    if suffix in _IMAGES:
        kinds += [*_OF_IMAGES] * 2
    else:
        kinds += [*_OF_TEXTS] * 2
        kinds += {'.json': [*_OF_JSON] * 4, '.xml': [*_OF_XML] * 4}.get(suffix, [])
    kind = random.choice(kinds)
    return kind.__name__.strip('_'), kind(data, random)


def apply(path: Path, damage: Damage) -> None:
    """Put damage in the place of a file.

    Args:
        path (Path): The file.
        damage (Damage): From :func:`mutate`.
    """
    if isinstance(damage, bytes):
        path.write_bytes(damage)
        return
    path.unlink()
    if damage == FOLDER:
        path.mkdir()
    elif damage == LINK_TO_ITSELF:
        path.symlink_to(path.name)


def restore(path: Path, data: bytes) -> None:
    """Put a file back, whatever is in its place.

    Args:
        path (Path): The file.
        data (bytes): Its content.
    """
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def _truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _flip_bytes(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64)) if data else 0):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _cut(data: bytes, random: Random) -> bytes:
    start, stop = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[stop:]


def _repeat(data: bytes, random: Random) -> bytes:
    start, stop = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return data[:stop] + data[start:stop] * random.choice((1, 3)) + data[stop:]


def _insert(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    piece = random.choice((b'\0', b'\0' * 64, b'\xff\xfe', b'"', b'<', b'\n', b'\x1b[2J', b'\xc3'))
    return data[:at] + piece + data[at:]


def _empty(data: bytes, random: Random) -> bytes:
    return b''


def _noise(data: bytes, random: Random) -> bytes:
    return random.randbytes(random.choice((1, 100, 5000)))


def _folder(data: bytes, random: Random) -> str:
    return FOLDER


def _missing(data: bytes, random: Random) -> str:
    return MISSING


def _link_to_itself(data: bytes, random: Random) -> str:
    return LINK_TO_ITSELF


def _crlf(data: bytes, random: Random) -> bytes:
    return data.replace(b'\n', random.choice((b'\r\n', b'\r', b'\n\n')))


def _encode(data: bytes, random: Random) -> bytes:
    text = data.decode('utf-8', 'replace').replace('rust', random.choice(('rust', 'Ölfleck', '锈')))
    encoding = random.choice(
        ('utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be', 'utf-32', 'latin-1', 'cp1252', 'gb18030')
    )
    return text.encode(encoding, 'replace')


def _long_line(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    piece = random.choice((b'9', b'a', b' ', b'1 ', b'[', b'{"a":', b'<a>', b'/', b'"'))
    return data[:at] + piece * random.choice((1000, 200_000)) + data[at:]


def _number(data: bytes, random: Random) -> bytes:
    return _replace(rb'-?\d+(?:\.\d+)?', data, random, _NUMBERS)


def _path(data: bytes, random: Random) -> bytes:
    return _replace(rb'[\w/.?=:-]+\.(?:png|jpg|tif)', data, random, _PATHS)


def _word(data: bytes, random: Random) -> bytes:
    words = ('', ' ', 'rusts', 'x' * 5000, '&#0;', '&lt;', 'a\nb', '\\u0000', '\\ud800', '-')
    return _replace(rb'[A-Za-z_]+', data, random, words)


def _replace(pattern: bytes, data: bytes, random: Random, new: tuple[str, ...]) -> bytes:
    found = list(re.finditer(pattern, data))
    if not found:
        return data
    match = random.choice(found)
    return data[: match.start()] + random.choice(new).encode() + data[match.end() :]


def _shuffle_lines(data: bytes, random: Random) -> bytes:
    lines = data.split(b'\n')
    random.shuffle(lines)
    return b'\n'.join(lines)


def _many_lines(data: bytes, random: Random) -> bytes:
    return data * random.choice((2, 500))


def _json_value(data: bytes, random: Random) -> bytes:
    content = json.loads(data)
    places = list(_places(content))
    for _ in range(random.choice((1, 1, 1, 3))):
        holder, key = random.choice(places)
        holder[key] = random.choice(_VALUES)
    return _dump(content)


def _json_without_key(data: bytes, random: Random) -> bytes:
    content = json.loads(data)
    holder, key = random.choice(list(_places(content)))
    del holder[key]
    return _dump(content)


def _json_swap(data: bytes, random: Random) -> bytes:
    content = json.loads(data)
    (one, first), (other, second) = (random.choice(list(_places(content))) for _ in range(2))
    one[first], other[second] = other[second], one[first]
    try:
        return _dump(content)
    except ValueError:
        # A part now holds itself.
        return data


def _json_twice(data: bytes, random: Random) -> bytes:
    content = json.loads(data)
    lists = [holder for holder, key in _places(content) if isinstance(holder, list)]
    if not lists:
        return _json_value(data, random)
    chosen = random.choice(lists)
    chosen.extend(chosen[:] * random.choice((1, 20)))
    return _dump(content)


def _json_duplicate_key(data: bytes, random: Random) -> bytes:
    keys = list(re.finditer(rb'"\w+"\s*:', data))
    match = random.choice(keys)
    value = random.choice((b'1', b'null', b'[]', b'"x"'))
    return data[: match.start()] + match[0] + value + b',' + data[match.start() :]


def _json_deep(data: bytes, random: Random) -> bytes:
    numbers = list(re.finditer(rb'\d+', data))
    match = random.choice(numbers)
    depth = random.choice((10, 45, random.randrange(800, 1000), 100_000))
    opening, closing = random.choice(((b'[', b']'), (b'{"a":', b'}')))
    deep = opening * depth + b'1' + closing * depth
    return data[: match.start()] + deep + data[match.end() :]


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Every container with every key in it."""
    places: list[tuple[Any, Any]] = []
    waiting = [content]
    while waiting:
        holder = waiting.pop()
        items = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
        for key, value in items:
            places.append((holder, key))
            if isinstance(value, (dict, list)):
                waiting.append(value)
    return places


def _dump(content: Any) -> bytes:
    return json.dumps(content).encode()


def _xml_element(data: bytes, random: Random) -> bytes:
    root = ElementTree.fromstring(data)
    parents = [(parent, child) for parent in root.iter() for child in parent]
    parent, child = random.choice(parents)
    action = random.randrange(6)
    if action == 0:
        parent.remove(child)
    elif action == 1:
        parent.extend([child] * random.choice((1, 50)))
    elif action == 2:
        child.text = random.choice((*_PATHS, *_NUMBERS)).replace('\0', '')
    elif action == 3:
        child.tag = random.choice(('x', 'object', 'box', 'points', 'track', 'image', 'meta'))
    elif action == 4:
        child.clear()
    else:
        other = random.choice(parents)[1]
        child.text, other.text = other.text, child.text
    return ElementTree.tostring(root)


def _xml_attribute(data: bytes, random: Random) -> bytes:
    attributes = list(re.finditer(rb'(\w+)="([^"]*)"', data))
    if not attributes:
        return _xml_element(data, random)
    match = random.choice(attributes)
    action = random.randrange(4)
    if action == 0:
        return data[: match.start()] + data[match.end() :]
    if action == 1:
        return data[: match.end()] + b' ' + match[0] + data[match.end() :]
    value = random.choice((*_PATHS, *_NUMBERS, '1,2;3,4', ';;;', 'rusts', '&#10;', '&x;', '<'))
    return data[: match.start(2)] + value.encode() + data[match.end(2) :]


def _xml_doctype(data: bytes, random: Random) -> bytes:
    end = data.find(b'?>') + 2 if data.startswith(b'<?xml') else 0
    name = random.choice((b'&i;', b'&x;', b'&a;', b'&amp;'))
    text = data.replace(b'rust', name, random.choice((0, 1, -1)))
    return text[:end] + random.choice(_DOCTYPES).encode() + text[end:]


def _xml_encoding(data: bytes, random: Random) -> bytes:
    end = data.find(b'?>') + 2 if data.startswith(b'<?xml') else 0
    names = ('utf-16', 'latin-1', 'none', 'utf-7', 'ebcdic-cp-us', 'gb18030', 'utf-8', 'rot13')
    return f'<?xml version="1.0" encoding="{random.choice(names)}"?>'.encode() + data[end:]


def _xml_deep(data: bytes, random: Random) -> bytes:
    at = random.choice([match.end() for match in re.finditer(rb'>', data)])
    depth = random.choice((10, 60, 50_000))
    closing = b'</a>' * depth if random.random() < 0.5 else b''
    return data[:at] + b'<a>' * depth + closing + data[at:]


def _png_size(data: bytes, random: Random) -> bytes:
    """A header that promises another size, with the right checksum."""
    if not data.startswith(b'\x89PNG'):
        return _truncate(data, random)
    sizes = (0, 1, 31, 65_535, 100_000, 2**31 - 1)
    header = b'IHDR' + struct.pack('>II', random.choice(sizes), random.choice(sizes)) + data[24:29]
    return data[:12] + header + struct.pack('>I', zlib.crc32(header)) + data[33:]


def _png_kind(data: bytes, random: Random) -> bytes:
    """A header that promises another bit depth and colour type, with the right checksum."""
    if not data.startswith(b'\x89PNG'):
        return _flip_bytes(data, random)
    kind = bytes((random.choice((1, 2, 4, 8, 16)), random.choice((0, 2, 3, 4, 6))))
    header = data[12:24] + kind + data[26:29]
    return data[:12] + header + struct.pack('>I', zlib.crc32(header)) + data[33:]


def _header_only(data: bytes, random: Random) -> bytes:
    return data[: random.choice((4, 8, 16, 33, 64, 200))]


def _other_file(data: bytes, random: Random) -> bytes:
    return random.choice((b'<svg width="32" height="24"/>', b'%PDF-1.4', b'GIF89a', b'{}', b'BM'))


_ANY = (
    _truncate, _flip_bytes, _cut, _repeat, _insert, _empty, _noise, _folder, _missing,
    _link_to_itself,
)  # fmt: skip
_OF_TEXTS = (
    _crlf,
    _encode,
    _long_line,
    _number,
    _number,
    _path,
    _word,
    _shuffle_lines,
    _many_lines,
)
_OF_JSON = (
    _json_value, _json_value, _json_value, _json_without_key, _json_swap, _json_twice,
    _json_duplicate_key, _json_deep,
)  # fmt: skip
_OF_XML = (_xml_element, _xml_element, _xml_attribute, _xml_doctype, _xml_encoding, _xml_deep)
_OF_IMAGES = (_truncate, _png_size, _png_kind, _header_only, _other_file)
