import numpy as np
import pytest

from mmdefect.datasets.audit import data_sources, run_audit
from mmdefect.engine.ask_model import ask_model
from mmdefect.errors import InputError
from mmdefect.structures import Detections


class Oracle:
    """Stands for a model: answers with what it is given."""

    def __init__(self, classes, answers):
        self.classes = classes
        self.answers = answers
        self.asked = []

    def predict(self, paths):
        self.asked = [path.name for path in paths]
        for path in paths:
            boxes, labels, scores = self.answers.get(path.name, ([], [], []))
            yield Detections(
                np.array(boxes, np.float32).reshape(-1, 4),
                np.array(labels, np.int64),
                np.array(scores, np.float32),
            )


@pytest.fixture
def audit(tmp_path, write_coco):
    write_coco(tmp_path)
    (tmp_path / 'images' / '007.png').write_bytes(b'')
    return run_audit(data_sources([tmp_path / 'val.json']), 'tiny')


def test_classes_go_by_name(audit):
    # Image 002 is good; the model has the classes in another order, and one more.
    box = [10, 10, 40, 40]
    model = Oracle(['dent', 'rust', 'chip'], {'002.png': ([box, box], [1, 0], [0.9, 0.8])})
    steps = []

    def track(items, what, total):
        steps.append((what, total))
        return items

    ask_model(audit, model, 'a.pth', track)
    assert steps == [('asking the model', 7)]
    assert '007.png' not in model.asked
    (finding,) = audit.found.of('unlabelled-defect')
    assert finding.classes == ('rust',) and '002.png' in finding.where
    assert audit.found.totals['unseen-box'] == 10
    assert audit.model == {
        'checkpoint': 'a.pth', 'left_out': ['dent'], 'confident': {'chip': 0.5, 'rust': 0.5}
    }  # fmt: skip
    assert audit.as_dict()['model']['left_out'] == ['dent']


def test_weak_detections_say_nothing(audit):
    rows = audit.table.rows(0)
    boxes = audit.table.boxes[rows]
    model = Oracle(['chip', 'rust'], {'000.png': (boxes, [0, 1], [0.04, 0.06])})
    ask_model(audit, model, 'a.pth')
    assert audit.found.totals['unseen-box'] == 9 + 0


def test_no_class_in_common(audit):
    with pytest.raises(InputError, match='knows the classes dent, but the data have chip, rust'):
        ask_model(audit, Oracle(['dent'], {}), 'a.pth')
