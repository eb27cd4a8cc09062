"""What a model was trained on, so that nobody fits a threshold on the same parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from mmdefect.decision.validation import first_problem
from mmdefect.errors import InputError
from mmdefect.fileio import write_text

__all__ = ['TRAINING_MANIFEST', 'Sha256', 'TrainingManifest']

# What it is called in the folder of the checkpoints that it is about.
TRAINING_MANIFEST = 'training_manifest.json'
Sha256 = Annotated[str, StringConstraints(pattern='^[0-9a-f]{64}$')]


class TrainingManifest(BaseModel):
    """Hashes of the images, and names of the parts, that a model has seen in training.

    Stands beside the checkpoint as JSON, and in the header of a results file.

    Args:
        format (str): ``mmdefect-training/1``; another number, another meaning.
        images (tuple[str, ...]): SHA-256 of every image file, 64 hexadecimal digits, in any order.
        parts (tuple[str, ...]): Part ids, where parts are known. Default empty.
        complete (bool): False if the model has seen more than this, as its training began with
            weights of unknown origin. Default True.

    Raises:
        ValidationError: A key is missing, unknown or of another type (a ``ValueError``).

    Example:
        >>> manifest = TrainingManifest(images=['0' * 64], parts=['p1'])
        >>> manifest.seen(['p1', 'p2', 'p3'], [[], ['0' * 64], ['f' * 64]])
        (True, True, False)
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    format: Literal['mmdefect-training/1'] = 'mmdefect-training/1'
    images: tuple[Sha256, ...]
    parts: tuple[str, ...] = ()
    complete: bool = True

    def seen(
        self,
        part_ids: Sequence[str | None],
        image_hashes: Sequence[Iterable[str]],
    ) -> tuple[bool, ...]:
        """Which parts the model was trained on.

        Args:
            part_ids (Sequence[str | None]): Part ids; None where an id says nothing, as when an
                image is its own part.
            image_hashes (Sequence[Iterable[str]]): SHA-256 of the images of each part.

        Returns:
            tuple[bool, ...]: True where the part or one of its images was trained on.
        """
        images, parts = set(self.images), set(self.parts)
        return tuple(
            part in parts or not images.isdisjoint(hashes)
            for part, hashes in zip(part_ids, image_hashes, strict=True)
        )

    def union(self, other: TrainingManifest) -> TrainingManifest:
        """What a model has seen that was trained on both.

        Args:
            other (TrainingManifest): The other one.

        Returns:
            TrainingManifest: Images and parts of both, sorted; complete if both are.

        Example:
            >>> TrainingManifest(images=[], parts=['b']).union(
            ...     TrainingManifest(images=[], parts=['a', 'b'], complete=False))
            TrainingManifest(format='mmdefect-training/1', images=(), parts=('a', 'b'), \
complete=False)
        """
        return TrainingManifest(
            images=tuple(sorted({*self.images, *other.images})),
            parts=tuple(sorted({*self.parts, *other.parts})),
            complete=self.complete and other.complete,
        )

    @classmethod
    def beside(cls, checkpoint: str | Path) -> TrainingManifest | None:
        """Read the manifest in the folder of a checkpoint.

        Args:
            checkpoint (str | Path): The checkpoint.

        Returns:
            TrainingManifest | None: The manifest; None if there is none.

        Raises:
            InputError: There is one that cannot be read.

        Example:
            >>> TrainingManifest.beside('none/epoch_1.pth') is None
            True
        """
        path = Path(checkpoint).parent / TRAINING_MANIFEST
        return cls.load(path) if path.exists() else None

    def save(self, path: str | Path) -> None:
        """Write the manifest as JSON, whole or not at all.

        Args:
            path (str | Path): File to write.

        Raises:
            InputError: The path cannot be written.
        """
        write_text(path, self.model_dump_json() + '\n')

    @classmethod
    def load(cls, path: str | Path) -> TrainingManifest:
        """Read a manifest.

        Args:
            path (str | Path): File that :meth:`save` wrote.

        Returns:
            TrainingManifest: The manifest.

        Raises:
            InputError: The file cannot be read or holds something else.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise InputError(
                f'{path}: cannot be read ({error.strerror}); check the path'
            ) from error
        except ValidationError as error:
            raise InputError(
                f'{path}: no training manifest: {first_problem(error)}; give the one that the '
                'training wrote'
            ) from error
