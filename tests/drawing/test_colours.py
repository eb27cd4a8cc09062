from __future__ import annotations

import itertools

import numpy as np
import pytest

from mmdefect.drawing import class_colours

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHT = {
    'normal': np.eye(3),
    'protan': [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    'deutan': [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    'tritan': [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(values: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(values, 0, 1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize('sight', SIGHT)
def test_first_eight_differ_for_every_eye(sight: str) -> None:
    points = [lab(np.asarray(SIGHT[sight]) @ linear(colour)) for colour in class_colours(8)]
    nearest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(points, 2))
    assert nearest > 20


@pytest.mark.parametrize('page', ['#ffffff', '#14171b'])
def test_contrast_on_light_and_dark(page: str) -> None:
    weights = np.array([0.2126, 0.7152, 0.0722])
    for colour in class_colours(8):
        dark, light = sorted([weights @ linear(colour), weights @ linear(page)])
        assert (light + 0.05) / (dark + 0.05) >= 3


def test_stable_and_distinct() -> None:
    many = class_colours(40)
    assert len(set(many)) == 40
    assert many[:3] == class_colours(3)
    assert class_colours(0) == []
    with pytest.raises(ValueError, match='count must be 0 or more, got -1'):
        class_colours(-1)
