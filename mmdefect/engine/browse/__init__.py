"""What a model really sees: samples after the pipeline and the preprocessor, as pictures."""

from __future__ import annotations

from mmdefect.engine.browse.sheet import BrowseSheet, browse

__all__ = ['BrowseSheet', 'browse']
