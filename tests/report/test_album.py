from __future__ import annotations

from pathlib import Path

from mmdefect.report.album import Album
from mmdefect.report.evaluation import EvaluatedImage


def test_pictures_are_numbered_and_crops_shared(tmp_path: Path, write_image) -> None:
    paths = [write_image(tmp_path / f'{index}.png', (300, 200)) for index in (0, 1)]
    images = [
        EvaluatedImage(path=str(path), width=300, height=200, ground_truth=[], detections=[])
        for path in (*paths, tmp_path / 'none.png')
    ]
    album = Album(images)
    album.add(2, (0, 0, 9, 9))
    album.add(1)
    album.add(1, (10, 10, 30, 30))
    album.add(1, (10, 10, 30, 30))
    album.add(1, (200, 100, 220, 120))
    album.embed()
    assert [(index, picture.problem) for index, picture in album] == [
        (1, None), (2, 'image file not found')
    ]  # fmt: skip
    assert album.number(1) == 0 and album.number(2) == 1
    assert len(album.crops) == 2
    assert album.place(1, (10, 10, 30, 30)) == {'picture': 0, 'view': (0, 0, 44, 44), 'crop': 0}
    assert album.place(1, (200, 100, 220, 120))['crop'] == 1
    assert album.place(2, (0, 0, 9, 9))['crop'] is None
