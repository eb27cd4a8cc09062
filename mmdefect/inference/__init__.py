"""A trained model over whole images, tile by tile."""

from __future__ import annotations

from mmdefect.geometry import TileGrid
from mmdefect.inference.inspector import Inspector
from mmdefect.inference.tile_merge import TileMerge
from mmdefect.inference.tiled_classifier import TiledClassifier
from mmdefect.inference.tiled_detector import TiledDetector

__all__ = ['Inspector', 'TileGrid', 'TileMerge', 'TiledClassifier', 'TiledDetector']
