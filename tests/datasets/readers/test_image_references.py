from __future__ import annotations

import pytest

from mmdefect.datasets.readers.image_references import names_of_reference


@pytest.mark.parametrize(
    ('reference', 'names'),
    [
        (
            '/data/upload/1/abcd1234-name.jpg',
            ('upload/1/abcd1234-name.jpg', 'upload/1/name.jpg'),
        ),
        ('/data/upload/1/00ff00ff-a-b.png', ('upload/1/00ff00ff-a-b.png', 'upload/1/a-b.png')),
        ('/data/upload/abcd1234-x.png', ('upload/abcd1234-x.png', 'upload/x.png')),
        ('/data/upload/1/ABCD1234-x.png', ('upload/1/ABCD1234-x.png',)),
        (
            'https://host/data/upload/1/abcd1234-x%20y.png',
            (
                'upload/1/abcd1234-x%20y.png',
                'upload/1/abcd1234-x y.png',
                'upload/1/x%20y.png',
                'upload/1/x y.png',
            ),
        ),
        ('/data/local-files/?d=rust/1+2%20a.jpg', ('rust/1+2 a.jpg',)),
        ('http://localhost:8080/data/local-files/?d=rust%5C1.jpg', ('rust/1.jpg',)),
        ('/data/local-files/?x=1', ()),
        ('s3://bucket/rust/1.jpg', ('rust/1.jpg',)),
        ('gs://bucket/1%2b.jpg', ('1%2b.jpg', '1+.jpg')),
        ('https://host/a/b.jpg?sign=x/y', ('a/b.jpg', 'a/b.jpg?sign=x/y')),
        ('C:\\steel\\1.jpg', ('C:/steel/1.jpg',)),
        ('/steel/1.jpg', ('/steel/1.jpg',)),
        (' 1.jpg ', ('1.jpg',)),
        ('abcd1234-name.jpg', ('abcd1234-name.jpg',)),
        ('data:image/png;base64,iVBORw0KGgo=', ()),
        ('', ()),
        ('s3://bucket', ()),
    ],
)
def test_names(reference, names):
    assert names_of_reference(reference) == names
