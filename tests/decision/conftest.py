from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mmdefect.decision import ImageScores, ResultsHeader, write_results

MODEL = hashlib.sha256(b'model').hexdigest()


def sha(name):
    return hashlib.sha256(str(name).encode()).hexdigest()


@pytest.fixture
def results(tmp_path):
    """Write a results file: parts with two images, half of them good, two classes in turn."""

    def write(
        defective=120, good=120, classes=('scratch', 'pit'), gap=0.5, training=None, **header
    ):
        rng = np.random.default_rng(0)

        def images():
            for part in range(defective + good):
                shown = classes[part % len(classes)] if part < defective else None
                for view in range(2):
                    centre = [0.25 + gap * (name == shown) for name in classes]
                    drawn = np.clip(rng.normal(centre, 0.12), 0, 1).round(4).tolist()
                    yield ImageScores(
                        image=f'{part}_{view}.png',
                        sha256=sha(f'{part}_{view}'),
                        part=f'p{part}',
                        truth=() if shown is None else (shown,),
                        scores=dict(zip(classes, drawn, strict=True)),
                    )

        path = tmp_path / 'results.jsonl'
        write_results(
            path, ResultsHeader(model=MODEL, classes=classes, training=training), images()
        )
        return path

    return write
