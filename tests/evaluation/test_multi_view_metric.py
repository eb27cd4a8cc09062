"""The metric of views and parts."""

from __future__ import annotations

import json
import os
import re
import socket

import numpy as np
import pytest
import torch
from mmengine.registry import METRICS

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.errors import InputError
from mmdefect.evaluation import DefectMetric, MultiViewMetric
from mmdefect.report.evaluation import load_evaluation
from mmdefect.structures import EVALUATION_FORMAT

A, B = [5.0, 5, 25, 25], [40.0, 40, 60, 70]


def sample(view=0, part='p', truth=(A,), found=(A,), score=0.9, **meta):
    """An output of a model, as the evaluator hands it on."""
    return {
        'instances': [
            {'bbox': box, 'bbox_label': 0, 'ignore_flag': 0, 'defect_id': index}
            for index, box in enumerate(truth)
        ],
        'img_path': f'{part}_{view}.png',
        'ori_shape': (80, 90),
        'part_id': part,
        'view_id': view,
        'view_role': 'inspect',
        'part_homography': np.eye(3).tolist(),
        'pred_instances': {
            'bboxes': torch.tensor(found, dtype=torch.float32).reshape(-1, 4),
            'labels': torch.zeros(len(found), dtype=torch.int64),
            'scores': torch.full((len(found),), score),
        },
        **meta,
    }


def metric_of(samples, size=1, kind=MultiViewMetric, **keys):
    metric = kind(**keys)
    metric.dataset_meta = {'classes': ('chip', 'rust')}
    # Whatever the batches.
    for start in range(0, len(samples), 3):
        metric.process({}, samples[start : start + 3])
    return metric, metric.evaluate(size)


def test_names_and_values():
    samples = [sample(0), sample(1, found=()), sample(2, truth=(), found=())]
    samples += [sample(view, 'good', truth=(), found=(B,), score=0.3) for view in range(3)]
    metric, metrics = metric_of(samples)
    assert metrics['mmdefect/AP50'] == pytest.approx(0.505, abs=0.01)
    assert metrics['mmdefect/recall'] == 0.5
    assert metrics['mmdefect/part_AP50'] == pytest.approx(1)
    assert metrics['mmdefect/part_recall'] == metrics['mmdefect/part_recall/chip'] == 1
    assert metrics['mmdefect/part_flagged'] == metrics['mmdefect/part_specificity'] == 1
    assert metrics['mmdefect/part_false_alarms_per_good_part'] == 0
    assert np.isnan(metrics['mmdefect/part_AP50/rust'])
    views = {name.removeprefix('mmdefect/') for name in metrics if '/part_' not in name}
    parts = {name.removeprefix('mmdefect/part_') for name in metrics if '/part_' in name}
    assert parts - views == {'false_alarms_per_good_part', 'flagged', 'specificity'}
    assert views - parts == {'false_alarms_per_good_image'}
    assert metric.evidence['images_total'] == 6
    assert metric.evidence['parts']['images_total'] == 2
    assert metric.evidence['parts']['merge'] == 'nms'


def test_views_are_measured_as_images():
    samples = [sample(0), sample(1, found=(B,)), sample(0, 'q', truth=(A, B), found=(A,))]
    _, ours = metric_of(samples)
    _, theirs = metric_of(samples, size=3, kind=DefectMetric)
    for name, value in theirs.items():
        np.testing.assert_equal(ours[name], value)


def test_an_item_of_several_views_is_not_cut_off():
    """MMEngine would keep as many results as the data set has items."""
    samples = [sample(view, found=() if view < 3 else (A,)) for view in range(4)]
    metric, metrics = metric_of(samples, size=1)
    assert metrics['mmdefect/part_recall'] == 1 and metric.evidence['images_total'] == 4
    assert metric.results == []


def test_ranks_come_together_and_repeated_views_count_once():
    metric, whole = metric_of([sample(view, part) for part in 'ab' for view in range(3)])
    metric.process({}, [sample(view, part) for view in (0, 2) for part in 'ab'])
    first, metric.results = list(metric.results), []
    metric.process({}, [sample(1, 'b'), sample(1, 'a'), sample(0, 'a')])
    again = metric.compute_metrics([first, metric.results])
    for name, value in again.items():
        np.testing.assert_equal(value, whole[f'mmdefect/{name}'])


def test_reference_views_are_left_out():
    reference = sample(1, view_role='reference', truth=(), found=(B,))
    del reference['pred_instances']
    metric, metrics = metric_of([sample(0), reference])
    assert metrics['mmdefect/AP50'] == metrics['mmdefect/part_AP50'] == pytest.approx(1)
    assert metric.evidence['images_total'] == 1


def test_merging_is_that_of_the_keys():
    lonely = [sample(0, found=(A, B)), sample(1, found=(A,))]
    assert metric_of(lonely)[1]['mmdefect/part_precision'] == 0.5
    assert metric_of(lonely, merge='voting')[1]['mmdefect/part_precision'] == 1
    voters = {'merge': 'voting', 'merge_min_votes': 1}
    assert metric_of(lonely, **voters)[1]['mmdefect/part_precision'] == 0.5
    fused = metric_of(lonely, merge='wbf')[1]
    assert fused['mmdefect/part_AP50'] == pytest.approx(1)
    assert metric_of(lonely, merge='soft_nms')[1]['mmdefect/part_recall'] == 1
    apart = [sample(0), sample(1, found=([5.0, 13, 25, 33],))]
    assert metric_of(apart)[1]['mmdefect/part_precision'] == 1
    assert metric_of(apart, merge_overlap=0.7)[1]['mmdefect/part_precision'] == 0.5


def test_free_views():
    samples = [sample(0, part_homography=None), sample(1, found=(), part_homography=None)]
    assert metric_of(samples)[1]['mmdefect/part_recall'] == 1
    del samples[0]['part_homography'], samples[0]['view_role']
    assert metric_of(samples)[1]['mmdefect/part_recall'] == 1


def test_the_evaluation_file_keeps_working(tmp_path):
    metric, _ = metric_of([sample(0), sample(1, found=(B,))])
    record = {'format': EVALUATION_FORMAT, 'created': '2024-01-01T00:00:00+00:00', 'epoch': None,
              'checkpoint': None, 'config': None, **metric.evidence}  # fmt: skip
    (tmp_path / 'evaluation.json').write_text(json.dumps(record, allow_nan=False))
    assert load_evaluation(tmp_path).images_total == 2


def _run_rank(rank, port, share, answers):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), LOCAL_RANK=str(rank),
                      RANK=str(rank), WORLD_SIZE='2')  # fmt: skip
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
    answers.put((rank, metric_of(share, size=3)[1]))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_give_the_numbers_of_one():
    parts = {part: [sample(view, part, found=(A,) * (view == 2)) for view in range(3)]
             for part in 'abc'}  # fmt: skip
    _, whole = metric_of([item for part in parts.values() for item in part])
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context('fork')
    answers = context.Queue()
    # Three parts on two ranks: the sampler repeats the first one.
    shares = [parts['a'] + parts['c'], parts['b'] + parts['a']]
    ranks = [context.Process(target=_run_rank, args=(rank, port, share, answers))
             for rank, share in enumerate(shares)]  # fmt: skip
    for process in ranks:
        process.start()
    found = dict(answers.get(timeout=120) for _ in ranks)
    for process in ranks:
        process.join(timeout=60)
    for name, value in whole.items():
        np.testing.assert_equal(found[0][name], value)
        np.testing.assert_equal(found[1][name], value)


@pytest.mark.parametrize('key', ['part_id', 'view_id', 'instances', 'img_path', 'ori_shape'])
def test_missing_meta_key_is_named(key):
    incomplete = sample()
    del incomplete[key]
    with pytest.raises(InputError, match=rf"the meta key '{key}' does not reach the metric"):
        metric_of([incomplete])


def test_bad_homography_is_named():
    with pytest.raises(InputError, match=r'p_0\.png: part_homography must have shape'):
        metric_of([sample(part_homography=[[1, 0], [0, 1]])])


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'max_det': 5}, "MultiViewMetric: unknown key 'max_det'; did you mean 'max_dets'?"),
        ({'merge': 'NMS'}, "merge must be one of nms, soft_nms, wbf, voting, got 'NMS'"),
        ({'merge_overlap': 0}, 'merge_overlap must be above 0 and at most 1, got 0'),
        ({'inside': 1.1}, 'inside must be above 0 and at most 1, got 1.1'),
        ({'merge_min_votes': 0}, 'merge_min_votes must be at least 1, got 0'),
        ({'max_dets': 0}, 'max_dets must be at least 1, got 0'),
    ],
)
def test_bad_keys(keys, message):
    with pytest.raises(InputError, match=re.escape(message)):
        MultiViewMetric(**keys)


def test_built_from_a_config():
    metric = METRICS.build({'type': 'mmdefect.MultiViewMetric', 'merge': 'wbf'})
    assert isinstance(metric, DefectMetric) and metric.merge == 'wbf'


def test_without_any_view():
    metric, metrics = metric_of([])
    assert np.isnan(metrics['mmdefect/part_AP50']) and metric.evidence['images_total'] == 0
