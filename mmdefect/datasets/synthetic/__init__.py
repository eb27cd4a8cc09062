"""Generated sample data: end views of drill bits, drawn with NumPy and OpenCV alone."""

from mmdefect.datasets.synthetic.drill import DEFAULT_PARTS, MIN_VISIBLE, write_drill
from mmdefect.datasets.synthetic.drill_plan import CLASSES as DRILL_CLASSES
from mmdefect.datasets.synthetic.drill_summary import ClassShapes, DrillSummary, SplitCounts

__all__ = [
    'DEFAULT_PARTS',
    'DRILL_CLASSES',
    'MIN_VISIBLE',
    'ClassShapes',
    'DrillSummary',
    'SplitCounts',
    'write_drill',
]
