from __future__ import annotations

import gc
import mmap

import pytest
import torch

from mmdefect.ops import huge_pages

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize('wanted', FORMATS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize('large', [False, True])
def test_zeros_of_the_wanted_kind(monkeypatch, wanted, dtype, large):
    monkeypatch.setattr(huge_pages, '_LARGE', 0 if large else 1 << 30)
    zeros = huge_pages.new_zeros(torch.ones(1, dtype=dtype), (3, 5, 4, 2), wanted)
    assert zeros.shape == (3, 5, 4, 2) and zeros.dtype == dtype
    assert zeros.is_contiguous(memory_format=wanted)
    assert not zeros.any()
    zeros += 1
    assert zeros.sum() == 120


def test_memory_is_given_back(monkeypatch):
    monkeypatch.setattr(huge_pages, '_LARGE', 0)
    mapped = []

    class Counted(mmap.mmap):
        def __new__(cls, *args, **kwargs):
            mapped.append(1)
            return super().__new__(cls, *args, **kwargs)

        def __del__(self):
            mapped.pop()

    monkeypatch.setattr(mmap, 'mmap', Counted)
    zeros = huge_pages.new_zeros(torch.ones(1), (1000, 1000))
    view = zeros[3:]
    del zeros
    gc.collect()
    assert mapped == ([1] if hasattr(mmap, 'MADV_HUGEPAGE') else [])
    assert not view.any()
    del view
    gc.collect()
    assert not mapped


def test_plain_memory_where_the_system_refuses(monkeypatch):
    monkeypatch.setattr(huge_pages, '_LARGE', 0)

    def refuse(*args, **kwargs):
        raise OSError('no huge pages')

    monkeypatch.setattr(mmap, 'mmap', refuse)
    assert huge_pages.new_zeros(torch.ones(1), (2, 3)).tolist() == [[0.0] * 3] * 2
