from __future__ import annotations

import pytest

from mmdefect.datasets.class_labels import label_of, map_labels
from mmdefect.datasets.readers import BaseReader
from mmdefect.errors import InputError


class Reader(BaseReader):
    declares_classes = True
    classes = ('rust', 'chip')

    def read(self):
        return iter(())


class Undeclared(Reader):
    declares_classes = False

    @property
    def classes(self):
        raise RuntimeError('would read every file')


def test_labels_follow_the_given_order():
    assert map_labels(['chip', 'rust'], Reader('a')) == {'chip': 0, 'rust': 1}
    assert map_labels(['rust', 'dent'], Reader('a'), allow_missing_classes=True)['dent'] == 1


def test_files_without_declared_classes_are_not_read():
    assert map_labels(['dent'], Undeclared('a')) == {'dent': 0}


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        ('rust', 'must be a list of names'),
        (['rust', 'rust'], "'rust' stands twice"),
        (['chips'], r"a: class 'chips' .* not declared .*did you mean 'chip'\?.*file: rust, chip"),
    ],
)
def test_bad_classes(classes, message):
    with pytest.raises(InputError, match=message):
        map_labels(classes, Reader('a'))


def test_unknown_label_names_the_nearest():
    assert label_of('chip', {'rust': 0, 'chip': 1}, 'a', 'b.png') == 1
    with pytest.raises(InputError, match=r"a: class 'chop' of b\.png .*did you mean 'chip'\?"):
        label_of('chop', {'chip': 0}, 'a', 'b.png')
