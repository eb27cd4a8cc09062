"""Keys of ``train_cfg``, ``test_cfg`` and ``semi_*_cfg`` that nothing reads.

MMDetection hands these dicts through and reads a key here and there; a misspelt one has no
effect and says nothing. Here the dicts note who is asked for while a model is built and run.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from mmdefect.engine.check.findings import Finding
from mmdefect.errors import nearest_name

__all__ = ['RARELY_READ', 'KeyRecord', 'NotingDict', 'track_reads', 'unread_keys']

_TRACKED = ('train_cfg', 'test_cfg', 'semi_train_cfg', 'semi_test_cfg')
# Keys that a right config has and a short run may not read: key -> why.
RARELY_READ = {
    'debug': "MMDetection's own configs carry it; nothing reads it",
    'pos_weight': 'read only when a batch has a positive',
    'nms': 'read only when a detection is above score_thr',
    'max_per_img': 'read only when a detection is above score_thr',
    'min_bbox_size': 'read only when a detection is above score_thr',
    'mask_thr_binary': 'read only when a detection has a mask',
    'reg_pseudo_thr': 'read only when there is a pseudo box',
    'forward_on': "read by mode='tensor' only, as for counting FLOPs",
    'extract_feat_on': 'read when features are asked for only',
}


class KeyRecord:
    """Keys given, read and asked for in vain, per dict.

    Example:
        >>> record = KeyRecord()
        >>> noting = NotingDict.wrap(ConfigDict(nms_pre=100), record, 'test_cfg')
        >>> noting.get('nms_pre'), noting.get('max_per_img', 7)
        (100, 7)
        >>> dict(record.read), dict(record.missed)
        ({'test_cfg': {'nms_pre'}}, {'test_cfg': {'max_per_img'}})
    """

    def __init__(self) -> None:
        self.given: dict[str, tuple[str, ...]] = {}
        self.read: defaultdict[str, set[str]] = defaultdict(set)
        self.missed: defaultdict[str, set[str]] = defaultdict(set)

    def note(self, path: str, key: Any, present: bool) -> None:
        """Note that a key was asked for.

        Args:
            path (str): Dotted path of the dict.
            key (Any): The key; names of Python's own protocols are not counted.
            present (bool): Whether the dict has it.
        """
        if isinstance(key, str) and not key.startswith('__'):
            (self.read if present else self.missed)[path].add(key)


class NotingDict(ConfigDict):
    """A ``ConfigDict`` that notes which of its keys are asked for; copies note in its place.

    Example:
        >>> record = KeyRecord()
        >>> noting = NotingDict.wrap(ConfigDict(a=1, b=2), record, 'train_cfg')
        >>> copy.deepcopy(noting).a, 'c' in noting
        (1, False)
        >>> [finding.where for finding in unread_keys(record)]
        ['train_cfg.b']
    """

    # Set on each instance; these serve dicts that ConfigDict makes out of plain ones.
    _record: KeyRecord | None = None
    _path: str = ''

    @classmethod
    def wrap(cls, values: Mapping[str, Any], record: KeyRecord, path: str) -> NotingDict:
        """Make a noting dict out of a config dict; dicts in it without ``type`` note too.

        Args:
            values (Mapping): The dict; dicts with a ``type`` are consumed by a constructor,
                which refuses unknown keys itself, and stay as they are.
            record (KeyRecord): Where to note.
            path (str): Dotted path of the dict in the config.

        Returns:
            NotingDict: The same keys and values.
        """
        noting = cls()._noting(record, path)
        record.given[path] = tuple(dict.keys(values))
        for key, value in dict.items(values):  # type: ignore[arg-type]
            if isinstance(value, Mapping) and 'type' not in value:
                value = cls.wrap(value, record, f'{path}.{key}')
            dict.__setitem__(noting, key, value)
        return noting

    def _noting(self, record: KeyRecord | None, path: str) -> NotingDict:
        object.__setattr__(self, '_record', record)
        object.__setattr__(self, '_path', path)
        return self

    def _note(self, key: Any) -> None:
        if self._record is not None:
            self._record.note(self._path, key, dict.__contains__(self, key))

    def __getitem__(self, key: Any) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        self._note(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As of a dict, noted."""
        self._note(key)
        return super().get(key, default)

    def pop(self, key: str, default: Any = None) -> Any:
        """As of a ``ConfigDict``, noted."""
        self._note(key)
        return super().pop(key, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As of a ``ConfigDict``; merging is no reading, so nothing is noted."""
        record, path = self._record, self._path
        self._noting(None, path)
        try:
            super().update(*args, **kwargs)
        finally:
            self._noting(record, path)

    def __deepcopy__(self, memo: dict[int, Any]) -> NotingDict:
        other = type(self)()._noting(self._record, self._path)
        memo[id(self)] = other
        for key, value in dict.items(self):
            dict.__setitem__(other, copy.deepcopy(key, memo), copy.deepcopy(value, memo))
        return other

    def __copy__(self) -> NotingDict:
        other = type(self)()._noting(self._record, self._path)
        for key, value in dict.items(self):
            dict.__setitem__(other, key, value)
        return other

    copy = __copy__


def track_reads(config: Config) -> KeyRecord:
    """Put noting dicts in place of the model's ``*_cfg`` dicts.

    Args:
        config (Config): A config, changed in place.

    Returns:
        KeyRecord: What will be read from now on.

    Example:
        >>> config = Config(dict(model=dict(test_cfg=dict(nms_pre=9))))
        >>> record = track_reads(config)
        >>> config.model.test_cfg.nms_pre, record.given
        (9, {'model.test_cfg': ('nms_pre',)})
    """
    record = KeyRecord()
    for owner, key, path in list(_tracked_dicts(config.get('model'), 'model')):
        dict.__setitem__(owner, key, NotingDict.wrap(owner[key], record, path))
    return record


def _tracked_dicts(node: Any, path: str) -> Iterator[tuple[dict, str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            place = f'{path}.{key}'
            if key in _TRACKED and isinstance(value, dict) and 'type' not in value:
                yield node, key, place
            else:
                yield from _tracked_dicts(value, place)
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _tracked_dicts(value, f'{path}.{number}')


def unread_keys(record: KeyRecord) -> list[Finding]:
    """Name the keys that nothing has read.

    Args:
        record (KeyRecord): What was read while a model was built, trained and evaluated.

    Returns:
        list[Finding]: One problem per key, with the nearest key that is read.

    Example:
        >>> record = KeyRecord()
        >>> noting = NotingDict.wrap(ConfigDict(nms_prre=9), record, 'test_cfg')
        >>> _ = noting.get('nms_pre')
        >>> print(unread_keys(record)[0])
        test_cfg.nms_prre: nothing reads this key; did you mean 'nms_pre'?
    """
    findings = []
    for path, keys in record.given.items():
        read = record.read[path]
        for key in keys:
            if key in read or key in RARELY_READ:
                continue
            # What was asked for in vain is the likelier meaning.
            near = nearest_name(key, record.missed[path]) or nearest_name(
                key, read | {*RARELY_READ}
            )
            cure = f'did you mean {near!r}?' if near else 'remove it, or correct its name'
            findings.append(Finding('problem', f'{path}.{key}', 'nothing reads this key', cure))
    return findings
