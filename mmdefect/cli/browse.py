"""``mmdefect browse CONFIG``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ['browse']


class Split(str, Enum):
    """Data of a config."""

    train = 'train'
    val = 'val'
    test = 'test'


def browse(
    config: Annotated[Path, typer.Argument(help='Config file.')],
    more_options: Annotated[
        list[str] | None, typer.Argument(metavar='[KEY=VALUE]...', hidden=True)
    ] = None,
    split: Annotated[Split, typer.Option(help='Which data of the config.')] = Split.train,
    images: Annotated[int, typer.Option(min=1, help='Images to draw.')] = 12,
    repeats: Annotated[
        int, typer.Option(min=1, help='Draw each image so often, augmented anew.')
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help='Of choice and augmentation.')] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help='.jpg or .png file.', show_default='WORK_DIR/browse_SPLIT.jpg'),
    ] = None,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(metavar='KEY=VALUE ...', help='Override keys of the config.'),
    ] = None,
) -> None:
    """Draw what the model really sees: images and boxes after pipeline and preprocessor."""
    # Imported here so that `mmdefect --help` need not load PyTorch.
    from mmdefect.cli.config_command import quiet, read_command_config
    from mmdefect.cli.output_file import require_output_file
    from mmdefect.cli.progress import progress
    from mmdefect.fileio import write_bytes

    if out is not None:
        require_output_file(out, '.jpg', '.jpeg', '.png')
    suffix = '.jpg' if out is None else out.suffix.lower()
    with quiet(), progress('samples', images * repeats, 'samples') as update:
        import cv2

        from mmdefect.engine.browse import browse as draw
        from mmdefect.engine.check.cures import as_input_error

        loaded = read_command_config(config, cfg_options, more_options)
        try:
            sheet = draw(
                loaded, split.value, images=images, repeats=repeats, seed=seed, progress=update
            )
        except Exception as error:
            raise as_input_error(error, str(config)) from error
        encoded = cv2.imencode(suffix, sheet.picture)[1].tobytes()
    path = out or Path(loaded.work_dir) / f'browse_{split.value}.jpg'
    write_bytes(path, encoded)
    print(f'{path}: {sheet.summary}')
