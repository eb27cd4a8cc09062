from __future__ import annotations

import copy
import pickle

import pytest
from mmengine.config import Config, ConfigDict

from mmdefect.engine.check.unread_keys import (
    RARELY_READ,
    KeyRecord,
    NotingDict,
    track_reads,
    unread_keys,
)


def noting(**values):
    record = KeyRecord()
    return NotingDict.wrap(ConfigDict(values), record, 'cfg'), record


@pytest.mark.parametrize(
    'read',
    [
        lambda cfg: cfg['a'],
        lambda cfg: cfg.a,
        lambda cfg: cfg.get('a'),
        lambda cfg: cfg.pop('a'),
        lambda cfg: 'a' in cfg,
        lambda cfg: hasattr(cfg, 'a'),
        lambda cfg: (lambda a, b: a)(**cfg),
        lambda cfg: copy.deepcopy(cfg).a,
        lambda cfg: copy.copy(cfg).get('a'),
        lambda cfg: cfg.copy()['a'],
        lambda cfg: Config(dict(model=cfg)).model.a,
    ],
)
def test_every_way_of_reading_is_noted(read):
    cfg, record = noting(a=1, b=2)
    read(cfg)
    assert 'a' in record.read['cfg']


@pytest.mark.parametrize(
    'touch',
    [
        lambda cfg: cfg.update(c=3),
        lambda cfg: cfg.update(a=3),
        lambda cfg: cfg.update(cfg),
        lambda cfg: ConfigDict(x=cfg),
        lambda cfg: Config(dict(model=cfg)).pretty_text,
        lambda cfg: Config(dict(model=cfg)).dump(),
        lambda cfg: copy.deepcopy(cfg),
        lambda cfg: copy.copy(cfg),
        lambda cfg: cfg == {'a': 1},
        lambda cfg: list(cfg.items()),
        lambda cfg: str(cfg),
    ],
)
def test_copying_merging_and_printing_read_nothing(touch):
    cfg, record = noting(a=1, b=2)
    touch(cfg)
    assert not record.read['cfg'] and not record.missed['cfg']


def test_it_stays_a_config_dict():
    cfg, _ = noting(a=1, nested=dict(b=[1, 2]))
    assert isinstance(cfg, ConfigDict) and cfg.nested.b == [1, 2]
    cfg.new = dict(c=3)
    assert cfg.new.c == 3
    with pytest.raises(AttributeError):
        _ = cfg.absent
    assert pickle.loads(pickle.dumps(cfg)) == cfg
    assert copy.deepcopy(cfg) == cfg


def test_nested_dicts_note_at_their_own_path_and_typed_ones_do_not():
    config = Config(
        dict(
            model=dict(
                type='X',
                roi_head=dict(test_cfg=dict(a=1)),
                train_cfg=dict(rpn=dict(b=1, c=1), assigner=dict(type='MaxIoU', pos=0.5)),
            )
        )
    )
    record = track_reads(config)
    assert set(record.given) == {
        'model.roi_head.test_cfg', 'model.train_cfg', 'model.train_cfg.rpn',
    }  # fmt: skip
    config = copy.deepcopy(config)
    _ = config.model.train_cfg.rpn.b, config.model.train_cfg.assigner
    assert [str(finding) for finding in unread_keys(record)] == [
        'model.roi_head.test_cfg.a: nothing reads this key; remove it, or correct its name',
        'model.train_cfg.rpn.c: nothing reads this key; remove it, or correct its name',
    ]


@pytest.mark.parametrize(
    ('key', 'near'),
    [('max_per_image', 'max_per_img'), ('nms_prre', 'nms_pre'), ('score_thresh', 'score_thr')],
)
def test_the_nearest_key_is_named(key, near):
    cfg, record = noting(**{key: 1})
    cfg.get('nms_pre', -1), cfg.get('score_thr', 0)
    (finding,) = unread_keys(record)
    assert finding.severity == 'problem' and finding.where == f'cfg.{key}'
    assert finding.cure == f'did you mean {near!r}?'


def test_rarely_read_keys_are_no_false_alarm():
    _, record = noting(**dict.fromkeys(RARELY_READ, 1))
    assert unread_keys(record) == []
    assert all(reason for reason in RARELY_READ.values())
