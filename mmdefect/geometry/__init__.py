"""Tiles, homographies, quadrilaterals, what views share. NumPy, and SciPy to match boxes."""

from __future__ import annotations

from mmdefect.geometry.homography import (
    as_homography,
    between_corners,
    compose_homographies,
    invert_homography,
    project_points,
)
from mmdefect.geometry.part_merge import MERGE_METHODS, MergedBoxes, merge_views
from mmdefect.geometry.quadrilaterals import (
    box_quadrilaterals,
    clip_polygons,
    hull_boxes,
    intersection_areas,
    intersection_over_smaller,
    polygon_areas,
    quadrilateral_ious,
    shares_inside,
)
from mmdefect.geometry.tile_grid import TILE_EDGES, TileGrid
from mmdefect.geometry.view_groups import group_views

__all__ = [
    'MERGE_METHODS',
    'MergedBoxes',
    'TILE_EDGES',
    'TileGrid',
    'as_homography',
    'between_corners',
    'box_quadrilaterals',
    'clip_polygons',
    'compose_homographies',
    'group_views',
    'hull_boxes',
    'intersection_areas',
    'intersection_over_smaller',
    'invert_homography',
    'merge_views',
    'polygon_areas',
    'project_points',
    'quadrilateral_ious',
    'shares_inside',
]
