"""Writes what a model says about each tested image, for thresholds and error analysis."""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TextIO

from mmengine.dist import barrier, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmdefect.datasets import TiledDataset
from mmdefect.datasets.labelled_boxes import leaves
from mmdefect.decision import ResultsHeader, TrainingManifest
from mmdefect.engine.hooks.training_manifest_hook import names_parts
from mmdefect.engine.inference_settings import inference_settings, score_threshold
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.evaluation.sample_scores import score_sample
from mmdefect.fileio import file_sha256, replacing
from mmdefect.registry import HOOKS
from mmdefect.wording import counted

__all__ = ['ResultsFileHook']

# Thresholds that find nearly all defects often lie low; boxes below this are lost to them.
_HIGH_SCORE = 0.05
_IMAGE = '{"image":'


@HOOKS.register_module()
class ResultsFileHook(Hook):
    """Write a results file (:mod:`mmdefect.decision.results_file`) of each test.

    ``tools/test.py --out FILE.jsonl`` adds it; with MMDetection's own ``test.py`` put
    ``dict(type='mmdefect.ResultsFileHook', out='results.jsonl')`` into ``custom_hooks``. The
    first line holds the hash of the checkpoint, the manifest of the training where one lies
    beside it, and how the model was run. Images follow sorted by path, reference views left out.
    Lines are written as images are tested; the file appears when all are there. Of several ranks
    each writes its own lines beside it, so they must share the folder.

    Args:
        out (str | Path): File to write, ending in ``.jsonl``.
        amp (bool): Whether the test runs in mixed precision, to be noted. Default False.
        **unknown: Refused.

    Raises:
        InputError: Unknown keys or another ending; in a test, a checkpoint that is no file, a
            data set of tiles, or a score that is not from 0 to 1.

    Example:
        >>> ResultsFileHook('results.json')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: ResultsFileHook: out must end in .jsonl, got results.json
    """

    def __init__(self, out: str | Path, amp: bool = False, **unknown: Any) -> None:
        reject_unknown_keys('ResultsFileHook', unknown, ('out', 'amp'))
        if Path(out).suffix.lower() != '.jsonl':
            raise InputError(f'ResultsFileHook: out must end in .jsonl, got {out}')
        self.out = Path(out)
        self.amp = amp
        self._file: TextIO | None = None

    def before_test_epoch(self, runner: Any) -> None:
        """Describe the model, and open the file of this rank.

        Args:
            runner (Runner): The runner.
        """
        dataset = runner.test_dataloader.dataset
        if isinstance(dataset, TiledDataset):
            raise InputError(
                'ResultsFileHook: the test set is cut into tiles; test whole images through '
                'mmdefect.TiledDetector or mmdefect.TiledClassifier'
            )
        parts = [leaf for _, leaf in leaves(dataset, 'test')]
        self._named = all(names_parts(leaf) for leaf in parts)
        # Data sets of other packages have labels.
        self._labelled = all(getattr(leaf, 'has_labels', True) for leaf in parts)
        self._header = _describe(runner, self.amp)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        limit = score_threshold(model)
        if limit is not None and limit > _HIGH_SCORE:
            runner.logger.warning(
                f'test_cfg.score_thr is {limit:g}: boxes below are not in {self.out}, and no '
                'threshold can lie there; set it to .001 with --cfg-options'
            )
        path = self._rank_file(get_rank())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open('w', encoding='utf-8', newline='\n')
        except OSError as error:
            raise InputError(
                f'{self.out}: cannot be written ({error.strerror}); choose a writable path'
            ) from error
        atexit.register(self._discard)

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write the images of a batch.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (Any): Not used. Default None.
            outputs (Sequence[BaseDataElement]): What the model returned. Default None.
        """
        for sample in outputs or ():
            if self._file is None or sample.get('view_role') == 'reference':
                continue
            part = sample.get('part_id')
            line = score_sample(
                sample,
                self._header.classes,
                _hash(sample.get('img_path')),
                labelled=self._labelled,
                part=str(part) if self._named and part is not None else None,
            )
            self._file.write(line.line() + '\n')

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Bring the lines of all ranks together.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Not used. Default None.
        """
        if self._file is None:
            return
        self._file.close()
        barrier()
        if is_main_process():
            count = self._merge([self._rank_file(rank) for rank in range(get_world_size())])
            runner.logger.info(f'{self.out}: {counted(count, "image")}')
        barrier()
        self._discard()

    def _rank_file(self, rank: int) -> Path:
        return self.out.with_name(f'.{self.out.name}.rank{rank}')

    def _merge(self, paths: list[Path]) -> int:
        """Lines by path of the image; what a sampler has repeated to fill up ranks stands once."""
        with ExitStack() as stack:
            files = [stack.enter_context(path.open('rb')) for path in paths]
            places: dict[str, tuple[int, int]] = {}
            for number, file in enumerate(files):
                for start, line in _lines(file):
                    name, _ = json.JSONDecoder().raw_decode(line.decode(), len(_IMAGE))
                    places.setdefault(name, (number, start))
            target = stack.enter_context(replacing(self.out)).open('wb')
            with target:
                target.write(self._header.line().encode() + b'\n')
                for _, (number, start) in sorted(places.items()):
                    files[number].seek(start)
                    target.write(files[number].readline())
        return len(places)

    def _discard(self) -> None:
        """Remove the file of this rank, whatever ended the test."""
        atexit.unregister(self._discard)
        if self._file is not None:
            self._file.close()
            self._file = None
            with suppress(OSError):
                self._rank_file(get_rank()).unlink()


def _lines(file: Any) -> Iterator[tuple[int, bytes]]:
    start = 0
    for line in file:
        yield start, line
        start += len(line)


def _describe(runner: Any, amp: bool) -> ResultsHeader:
    checkpoint = runner._load_from
    if checkpoint is None or '://' in str(checkpoint):
        raise InputError(
            f'{checkpoint}: results name their checkpoint by its hash, so it must be a file; '
            'download it first'
        )
    classes = (getattr(runner.test_dataloader.dataset, 'metainfo', None) or {}).get('classes')
    if not classes:
        raise InputError('the test set has no class names; set metainfo=dict(classes=...)')
    return ResultsHeader(
        model=file_sha256(checkpoint),
        classes=tuple(classes),
        training=TrainingManifest.beside(checkpoint),
        inference=inference_settings(runner.cfg, amp=amp),
    )


def _hash(path: Any) -> str:
    try:
        return file_sha256(str(path))
    except OSError as error:
        raise InputError(
            f'{path}: cannot be read ({error.strerror}); results name images by their hash, so '
            'they must be files of this machine'
        ) from error
