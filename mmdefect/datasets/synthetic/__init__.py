"""Generated sample data, drawn with NumPy and OpenCV alone: drill bits, shelves, steel strips."""

from mmdefect.datasets.severstal_file import SEVERSTAL_CLASSES as STEEL_CLASSES
from mmdefect.datasets.synthetic.drill import DEFAULT_PARTS, MIN_VISIBLE, write_drill
from mmdefect.datasets.synthetic.drill_plan import CLASSES as DRILL_CLASSES
from mmdefect.datasets.synthetic.drill_summary import ClassShapes, DrillSummary, SplitCounts
from mmdefect.datasets.synthetic.sample_summary import ClassSizes, SampleCounts, SampleSummary
from mmdefect.datasets.synthetic.shelf import SHELF_CLASSES, SHELF_PARTS, write_shelf
from mmdefect.datasets.synthetic.steel import STEEL_PARTS, write_steel

__all__ = [
    'DEFAULT_PARTS',
    'DRILL_CLASSES',
    'MIN_VISIBLE',
    'SHELF_CLASSES',
    'SHELF_PARTS',
    'STEEL_CLASSES',
    'STEEL_PARTS',
    'ClassShapes',
    'ClassSizes',
    'DrillSummary',
    'SampleCounts',
    'SampleSummary',
    'SplitCounts',
    'write_drill',
    'write_shelf',
    'write_steel',
]
