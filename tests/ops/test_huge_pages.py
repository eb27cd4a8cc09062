from __future__ import annotations

import gc
import mmap

import pytest
import torch

from mmdefect.ops import huge_pages

LINUX = pytest.mark.skipif(not hasattr(mmap, 'MADV_HUGEPAGE'), reason='Linux has huge pages')
ONE = torch.ones(1)


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(huge_pages, '_kept', [])


@pytest.mark.parametrize('wanted', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize('large', [False, True])
def test_zeros_of_the_wanted_kind(monkeypatch, wanted, dtype, large):
    monkeypatch.setattr(huge_pages, '_LARGE', 0 if large else 1 << 30)
    for _ in range(2):  # the second time in used memory
        zeros = huge_pages.new_zeros(torch.ones(1, dtype=dtype), (3, 5, 4, 2), wanted)
        assert zeros.shape == (3, 5, 4, 2) and zeros.dtype == dtype
        assert zeros.is_contiguous(memory_format=wanted)
        assert not zeros.any()
        zeros += 1
        assert zeros.sum() == 120
        del zeros


@LINUX
def test_memory_is_handed_out_again_when_its_tensor_is_gone(monkeypatch):
    monkeypatch.setattr(huge_pages, '_LARGE', 0)
    first = huge_pages.new_zeros(ONE, (1000, 1000))
    first += 1
    view, address = first[3:], first.data_ptr()
    del first
    second = huge_pages.new_zeros(ONE, (1000, 1000))
    assert second.data_ptr() != address
    assert view.all() and not second.any()
    del view
    smaller = huge_pages.new_zeros(ONE, (900, 1000))
    assert smaller.data_ptr() == address and not smaller.any()
    tiny = huge_pages.new_zeros(ONE, (10, 1000))
    assert tiny.data_ptr() not in (address, second.data_ptr())


@LINUX
def test_little_is_kept(monkeypatch):
    monkeypatch.setattr(huge_pages, '_LARGE', 0)
    monkeypatch.setattr(huge_pages, '_LARGEST_KEPT', 1 << 20)
    alive = []

    class Counted(mmap.mmap):
        def __new__(cls, *args, **kwargs):
            alive.append(1)
            return super().__new__(cls, *args, **kwargs)

        def __del__(self):
            alive.pop()

    monkeypatch.setattr(mmap, 'mmap', Counted)
    tensors = [huge_pages.new_zeros(ONE, (100, 1000)) for _ in range(4)]
    tensors.append(huge_pages.new_zeros(ONE, (1000, 1000)))
    assert len(alive) == 5
    del tensors
    gc.collect()
    assert len(alive) == 2


def test_plain_memory_where_the_system_refuses(monkeypatch):
    monkeypatch.setattr(huge_pages, '_LARGE', 0)

    def refuse(*args, **kwargs):
        raise OSError('no huge pages')

    monkeypatch.setattr(mmap, 'mmap', refuse)
    assert huge_pages.new_zeros(ONE, (2, 3)).tolist() == [[0.0] * 3] * 2
