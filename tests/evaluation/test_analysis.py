from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.evaluation.analysis import analyse_images
from mmdefect.evaluation.error_types import ERROR_TYPES

BOX = (0, 0, 10, 10)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_numbers_agree_with_each_other(small_images, data):
    images = data.draw(small_images(least=0))
    analysis = analyse_images(images, 3, 100)
    table, at = analysis.table, analysis.at
    found, false = table.found[:, at], table.false[:, at]
    assert table.lowest <= analysis.threshold < 1
    # Boxes: the rows of the matrix, the sizes.
    assert analysis.confusion[:3].sum(axis=1).tolist() == table.truth.tolist()
    assert analysis.size_truth.sum(axis=1).tolist() == table.truth.tolist()
    # Boxes found: the diagonal, the sizes, IoUs of 0.5 or more.
    assert analysis.confusion.diagonal()[:3].tolist() == found.tolist()
    assert analysis.size_found.sum(axis=1).tolist() == found.tolist()
    assert analysis.iou_counts[:, 8:].sum(axis=1).tolist() == found.tolist()
    assert (analysis.iou_counts.sum(axis=1) <= table.truth).all()
    # False alarms: the errors of detections, the columns of the matrix.
    assert analysis.error_counts[:, :5].sum(axis=1).tolist() == false.tolist()
    assert analysis.confusion[:, :3].sum(axis=0).tolist() == (found + false).tolist()
    assert (analysis.error_counts[:, 5] <= table.truth - found).all()
    # Mending an error costs nothing, but for mended detections that come late.
    before, gains = analysis.scores.ap50[:, None], analysis.error_gain
    undefined = table.truth == 0
    assert np.isnan(gains[undefined]).all() and np.isnan(before[undefined]).all()
    after = (before + gains)[~undefined]
    assert (after >= -1e-12).all() and (after <= 1 + 1e-12).all()
    assert (gains[~undefined][:, [2, 3, 4]] >= -1e-12).all()
    means = analysis.mean_iou
    assert (np.isnan(means[:3]) == (found == 0)).all()
    assert (means[:3][found > 0] >= 0.5).all()


def test_limit_of_detections_holds_for_every_number(image_result):
    truth = [(20 * i, 0, 20 * i + 10, 10) for i in range(4)]
    alarm = (0, 30, 10, 40)
    image = image_result(truth, [0] * 4, [*truth, alarm], [0] * 5, [0.9, 0.8, 0.7, 0.6, 0.5])
    analysis = analyse_images([image], 1, 2)
    assert analysis.table.found[0, 1] == 2 and analysis.table.false[0, 1] == 0
    assert analysis.scores.ar[0] == pytest.approx(0.5)
    assert analysis.error_counts[0].tolist() == [0, 0, 0, 0, 0, 2]
    assert analysis.confusion.tolist() == [[2, 2], [0, 0]]


def test_images_and_shares_per_class(image_result):
    images = [
        image_result([BOX] * 3, [0, 0, 1]),
        image_result([BOX] * 2, [0, 2], ignored=[False, True]),
        image_result(),
    ]
    analysis = analyse_images(images, 3, 100)
    assert analysis.images == 3
    assert analysis.class_images.tolist() == [2, 1, 0]
    assert analysis.box_shares().tolist() == [0.75, 0.25, 0]
    assert analysis.mean_gain().shape == (len(ERROR_TYPES),)


def test_nothing():
    analysis = analyse_images([], 2, 100)
    assert np.isnan(analysis.box_shares()).all() and np.isnan(analysis.mean_gain()).all()
    assert analysis.threshold == 0.5


@pytest.mark.parametrize(('truth', 'found'), [(2, 0), (0, 2), (-1, 0)])
def test_labels_out_of_range(image_result, truth, found):
    image = image_result([BOX], [truth], [BOX], [found], [0.9])
    with pytest.raises(ValueError, match='labels of .* must be 0 to 1, got'):
        analyse_images([image], 2, 100)
