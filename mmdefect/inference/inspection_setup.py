"""From what a user names to an inspection that is ready to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdefect.decision import ResultsHeader, ThresholdPolicy, TrainingManifest
from mmdefect.engine.config_file import parse_options, read_config
from mmdefect.engine.inference_settings import (
    inference_settings,
    require_same_settings,
    tile_settings,
)
from mmdefect.engine.predict import find_run, load_model
from mmdefect.errors import InputError
from mmdefect.fileio import file_sha256
from mmdefect.geometry import TileGrid
from mmdefect.inference.image_files import find_images
from mmdefect.inference.image_scorer import ImageScorer, require_single_views
from mmdefect.inference.inspection import Inspection, SignedPolicy
from mmdefect.inference.inspector import Inspector
from mmdefect.inference.part_pattern import PartPattern
from mmdefect.inference.tile_merge import TileMerge

__all__ = ['set_up_inspection']


def set_up_inspection(
    images: Sequence[str | Path],
    model: str | Path,
    out: str | Path,
    *,
    policy: str | Path | None = None,
    config: str | Path | None = None,
    cfg_options: Sequence[str] = (),
    part_pattern: str | None = None,
    views: int | None = None,
    draw: str = 'none',
    amp: bool = False,
    batch_size: int | None = None,
    tile: Sequence[int] | None = None,
    overlap: float = 0.0,
    merge: str | None = None,
) -> tuple[Inspection, Callable[[], ImageScorer]]:
    """Check everything that can be checked before the model is loaded.

    Args:
        images (Sequence[str | Path]): Image files and folders.
        model (str | Path): Checkpoint, or the work dir of a training.
        out (str | Path): Folder of the inspection.
        policy (str | Path | None): Policy file. Default None: no decisions.
        config (str | Path | None): Config of the model. Default None: the one beside it.
        cfg_options (Sequence[str]): ``KEY=VALUE`` words for the config. Default none.
        part_pattern (str | None): As of :class:`PartPattern`. Default None.
        views (int | None): Images of a part. Default None.
        draw (str): As of :class:`Inspection`. Default ``'none'``.
        amp (bool): Mixed precision. Default False.
        batch_size (int | None): Images, or tiles, in a batch. Default None: that of the config,
            8 for tiles.
        tile (Sequence[int] | None): Width and height of tiles, for a config that cuts none.
            Default None.
        overlap (float): Share that neighbouring tiles have in common. Default 0.
        merge (str | None): How their boxes are merged. Default None: as of :class:`TileMerge`.

    Returns:
        tuple[Inspection, Callable[[], ImageScorer]]: The inspection, and what loads the model.

    Raises:
        InputError: Something that is named does not exist, cannot be used, or does not belong to
            the rest.

    Example:
        >>> set_up_inspection(['none'], 'none.pth', 'out')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none: no such image or folder; check the path
    """
    found = find_images(images)
    parts = PartPattern(part_pattern).parts(found.paths)
    dump, checkpoint = _run_of(Path(model), config)
    loaded = read_config(dump, parse_options(cfg_options))
    loaded.work_dir = str(out)
    tiles = None
    grid = None if tile is None else TileGrid(tile, overlap)
    if grid is not None:
        if str(loaded.model.get('type')).rpartition('.')[2].startswith('Tiled'):
            raise InputError(f'{dump}: cuts tiles itself; leave --tile out')
        options = None if merge is None else {'method': merge}
        tiles = tile_settings(size=grid.size, overlap=grid.overlap, merge=options)
    settings = inference_settings(loaded, amp=amp, tiles=tiles)
    require_single_views(str(step['type']) for step in settings['pipeline'])
    digest = file_sha256(checkpoint)
    signed = None
    if policy is not None:
        signed = SignedPolicy(ThresholdPolicy.load(policy, digest), file_sha256(policy))
        require_same_settings(signed.policy.inference, settings, str(policy))
    header = ResultsHeader(
        model=digest,
        # The model names them once it is loaded.
        classes=('?',),
        training=TrainingManifest.beside(checkpoint),
        inference=settings,
    )
    inspection = Inspection(
        out, parts, header, signed, draw=draw, views=views, passed_over=found.passed_over
    )

    def make_scorer() -> ImageScorer:
        return _load(loaded, checkpoint, grid, merge, amp, batch_size)

    return inspection, make_scorer


def _run_of(model: Path, config: str | Path | None) -> tuple[Path, Path]:
    if config is None:
        return find_run(model)
    if not model.is_file():
        raise InputError(f'{model}: no such checkpoint file')
    return Path(config), model


def _load(
    config: Config,
    checkpoint: Path,
    grid: TileGrid | None,
    merge: str | None,
    amp: bool,
    batch_size: int | None,
) -> ImageScorer:
    model = load_model(config, checkpoint)
    if grid is None:
        return ImageScorer(model, amp=amp, batch_size=batch_size)
    options: dict[str, Any] = {} if batch_size is None else {'batch_size': batch_size}
    if merge is not None:
        options['merge'] = TileMerge(method=merge)
    inspector = Inspector(model, grid, amp=amp, on_error='record', **options)
    return ImageScorer(model, inspector)
