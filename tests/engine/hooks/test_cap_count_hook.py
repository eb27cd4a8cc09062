from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from mmdefect.engine.hooks import CapCountHook, cap_count_hook
from mmdefect.errors import InputError
from mmdefect.models.heads.cap_counter import CapCounter


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.cuts = CapCounter('Head')


def runner_of(head, said):
    model = nn.ModuleDict({'backbone': nn.Identity(), 'bbox_head': head})
    return SimpleNamespace(model=model, logger=SimpleNamespace(warning=said.append))


@pytest.mark.parametrize('part', ['val', 'test'])
def test_sums_are_logged_after_each_evaluation(part):
    head, said, hook = Head(), [], CapCountHook()
    runner = runner_of(head, said)
    head.cuts.note('max_per_img', 300, 999, 'of an earlier evaluation')
    for _ in range(2):
        getattr(hook, f'before_{part}_epoch')(runner)
        head.cuts.note('max_per_img', 300, 310, '1.jpg')
        head.cuts.note('max_per_img', 300, 300, '2.jpg')
        head.cuts.note('nms_pre', 3000, 3001, '2.jpg')
        head.cuts.note('nms_pre', 3000, 3004, '2.jpg')
        getattr(hook, f'after_{part}_epoch')(runner, {})
        assert said == [
            'model.bbox_head: test_cfg.max_per_img=300 cut 10 boxes on 1 image in this '
            'evaluation; raise it if they count',
            'model.bbox_head: test_cfg.nms_pre=3000 cut 5 boxes on 2 levels of images in this '
            'evaluation; raise it if they count',
        ]
        said.clear()


def test_ranks_are_added_and_nothing_cut_is_not_worth_a_word(monkeypatch):
    said, hook = [], CapCountHook()
    hook.before_val_epoch(runner_of(nn.Identity(), said))
    head = Head()
    hook.after_val_epoch(runner_of(head, said))
    assert not said
    head.cuts.note('max_per_img', 3, 5, '1.jpg')
    other = ({'max_per_img': 4}, {'max_per_img': 2}, {'max_per_img': 3})
    monkeypatch.setattr(cap_count_hook, 'all_gather_object', lambda own: [own, other])
    hook.after_val_epoch(runner_of(head, said))
    assert 'test_cfg.max_per_img=3 cut 6 boxes on 3 images' in said[0]


def test_unknown_keys():
    with pytest.raises(InputError, match="unknown key 'interval'"):
        CapCountHook(interval=1)
