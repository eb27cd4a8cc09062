from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmdefect.engine.predict import TrainedModel
from mmdefect.inference import Inspector, TileGrid, TileMerge
from mmdefect.inference.score_floor import floored_configs


@pytest.mark.parametrize('kind', ['retinanet', 'faster_rcnn_focal'])
def test_the_same_boxes_with_less_to_suppress(make_config, tmp_path, kind):
    init_default_scope('mmdet')
    config = Config.fromfile(make_config(tmp_path, kind))
    torch.manual_seed(0)
    detector = MODELS.build(config.model).eval()
    (floored,) = floored_configs(detector)
    before = floored.score_thr
    model = TrainedModel(detector, config.test_dataloader.dataset.pipeline, config.classes)
    image = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)
    # Without the rule that a weak whole box may stand for a strong cut one.
    grid, merge = TileGrid((64, 64), 0.5), TileMerge(drop_cut=False)
    (everything,) = Inspector(model, grid, merge=merge).inspect([image])
    scores = everything.detections.scores
    middle = len(scores) // 2
    assert scores[0] > scores[middle] > scores[-1]
    # In the largest gap near the middle, away from rounding.
    place = middle + int(np.argmin(np.diff(scores[middle : middle + 10])))
    threshold = float(scores[place : place + 2].mean())
    (chosen,) = Inspector(model, grid, merge=merge, min_score=threshold).inspect([image])
    found, kept = chosen.detections, scores >= threshold
    np.testing.assert_allclose(found.scores, scores[kept], atol=1e-5)
    assert 0 < len(found) < len(scores)
    assert floored.score_thr == before
