"""An inspection: images in, results, decisions and pictures out, whatever interrupts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdefect.decision import ImageScores, ResultsFile, ResultsHeader, ThresholdPolicy
from mmdefect.errors import InputError
from mmdefect.fileio import file_sha256, write_json
from mmdefect.inference.decision_log import DecisionLog
from mmdefect.inference.decision_pictures import picture_path, wanted_pictures, write_picture
from mmdefect.inference.folder_lock import locked_folder
from mmdefect.inference.image_scorer import ImageScorer
from mmdefect.inference.inspection_summary import OUTCOMES, InspectionSummary
from mmdefect.inference.part_decision import PartDecision, decide_part
from mmdefect.inference.results_log import ResultsLog

__all__ = ['Inspection', 'SignedPolicy']

_Part = tuple[bool, str]
# How far the mean number of images of a part may be from that of the calibration.
_MORE_OR_LESS = 0.1


@dataclass(frozen=True, slots=True)
class SignedPolicy:
    """A policy and the file it comes from.

    Args:
        policy (ThresholdPolicy): The policy.
        sha256 (str): Hash of the file.

    Example:
        >>> len(SignedPolicy.__dataclass_fields__)
        2
    """

    policy: ThresholdPolicy
    sha256: str


class Inspection:
    """Inspect images and write down what was found, so that a killed run can go on.

    Into the folder go ``results.jsonl`` (a results file, image by image), ``decisions.jsonl``
    (part by part, with a policy), ``pictures/`` and, at the end, ``summary.json``. A run with the
    same folder goes on: images in ``results.jsonl`` are not inspected again; those that could not
    be inspected are tried again. Decisions follow from the results, so another policy needs no
    new inspection. Memory holds the scores of all images, but neither boxes nor pixels.

    Args:
        out (str | Path): The folder; made when absent.
        parts (Mapping[str, str | None]): Part by path of the images, None where an image is its
            own part (:class:`mmdefect.inference.part_pattern.PartPattern`).
        header (ResultsHeader): Model and how it is run; the classes are filled in.
        policy (SignedPolicy | None): Thresholds. Default None: no decisions.
        draw ('none' | 'fail-hold' | 'all'): Which images to draw. Default ``'none'``.
        views (int | None): Images that a part has; with fewer it is on HOLD. Default None.
        passed_over (int): Files that were found and are no images, for the summary. Default 0.

    Example:
        >>> Inspection('out', {}, ResultsHeader(model='0' * 64, classes=['?'])).out.name
        'out'
    """

    def __init__(
        self,
        out: str | Path,
        parts: Mapping[str, str | None],
        header: ResultsHeader,
        policy: SignedPolicy | None = None,
        *,
        draw: str = 'none',
        views: int | None = None,
        passed_over: int = 0,
    ) -> None:
        self.out = Path(out)
        self.parts = parts
        self.header = header
        self.policy = policy
        self.draw = draw
        self.views = views
        self.passed_over = passed_over
        self._members: dict[_Part, list[str]] = {}
        for path, part in parts.items():
            self._members.setdefault((part is not None, part or path), []).append(path)

    def run(
        self,
        make_scorer: Callable[[], ImageScorer],
        progress: Callable[[int, int], None] | None = None,
    ) -> InspectionSummary:
        """Inspect what has not been inspected, and decide about everything.

        Args:
            make_scorer (Callable): Loads the model; called only if it is needed.
            progress (Callable | None): Called with the numbers of images done and of all, after
                each image. Default None.

        Returns:
            InspectionSummary: Also written as ``summary.json``.

        Raises:
            InputError: The folder holds something else or the results of another model or other
                images, an image has changed, or a file cannot be written.
        """
        results = self.out / 'results.jsonl'
        with locked_folder(self.out):
            scorer = _Lazy(make_scorer)
            known = ResultsFile(results).header.classes if results.exists() else scorer().classes
            self._check_classes(known)
            header = self.header.model_copy(update={'classes': tuple(known)})
            with ResultsLog(results, header) as log:
                pending = self._pending(log)
                run = _Run(self, log, scorer, tuple(known))
                with run.decisions:
                    run.inspect(pending, progress)
            summary = run.summary
            write_json(self.out / 'summary.json', summary.to_dict(), indent=2)
        return summary

    def doubts(self) -> list[str]:
        """Say why the policy may not be about these parts, as far as that is no error.

        Returns:
            list[str]: Sentences; none without a policy.
        """
        if self.policy is None:
            return []
        policy, found = self.policy.policy, []
        if policy.inference is None:
            found.append('does not say how its scores were made, so that nothing was compared')
        before = policy.evidence.images / max(policy.evidence.parts, 1)
        now = len(self.parts) / max(len(self._members), 1)
        if abs(now - before) > _MORE_OR_LESS * before:
            found.append(
                f'was chosen on parts whose mean number of images is {before:.3g}, and here it is '
                f'{now:.3g}; it certifies nothing about these parts'
            )
        return found

    def _check_classes(self, classes: Sequence[str]) -> None:
        if self.policy is not None and sorted(self.policy.policy.classes) != sorted(classes):
            raise InputError(
                f'the policy knows the classes {", ".join(self.policy.policy.classes)}, and the '
                f'model has {", ".join(classes)}; choose thresholds for this model'
            )

    def _pending(self, log: ResultsLog) -> list[str]:
        """Images that are still to be inspected, those of a part one after the other."""
        for path, image in log.images.items():
            if path not in self.parts:
                raise InputError(
                    f'{log.path}: holds {path}, which is not among the images given; give all '
                    'images of this inspection, or choose another --out'
                )
            if image.part != self.parts[path]:
                raise InputError(
                    f'{log.path}: {path} shows part {image.part!r} there and '
                    f'{self.parts[path]!r} by the part pattern; give the same pattern, or choose '
                    'another --out'
                )
        with ThreadPoolExecutor(8) as threads:
            hashes = threads.map(_digest, log.images)
            for (path, image), digest in zip(log.images.items(), hashes, strict=True):
                if digest not in (None, image.sha256):
                    raise InputError(
                        f'{path}: has changed since it was inspected; choose another --out'
                    )
        return [
            path for paths in self._members.values() for path in paths if path not in log.images
        ]


class _Run:
    """One run of an inspection."""

    def __init__(
        self, inspection: Inspection, log: ResultsLog, scorer: _Lazy, classes: tuple[str, ...]
    ) -> None:
        self._of = inspection
        self._log, self._scorer, self._classes = log, scorer, classes
        self._errors: dict[str, str] = {}
        self._missing = {
            key: sum(path not in log.images for path in paths)
            for key, paths in inspection._members.items()
        }
        signed = inspection.policy
        # Without one there is nothing to decide.
        self._policy: Any = None if signed is None else signed.policy
        self.summary = InspectionSummary(
            model=inspection.header.model,
            policy=None if signed is None else signed.sha256,
            images=len(inspection.parts),
            parts=len(inspection._members),
            passed_over=inspection.passed_over,
            unreadable=self._errors,
        )
        self._complete = [key for key, missing in self._missing.items() if not missing]
        self.decisions: AbstractContextManager[DecisionLog | None] = nullcontext()
        self._written: Any = None
        if signed is not None:
            self._written = DecisionLog(
                inspection.out / 'decisions.jsonl', inspection.header.model, signed.sha256,
                map(self._counted, self._complete),
            )  # fmt: skip
            self.decisions = self._written

    def inspect(self, pending: Sequence[str], progress: Callable[[int, int], None] | None) -> None:
        begin = time.monotonic()
        total = len(self._of.parts)
        for key in self._complete if self._written is not None else ():
            self._draw(self._decide(key))
        done = total - len(pending)
        scored = self._scorer().score(pending) if pending else iter(())
        for path, scores, error in scored:
            if scores is None:
                self._errors[path] = error or 'not inspected'
            else:
                self._log.append(scores.model_copy(update={'part': self._of.parts[path]}))
            part = self._of.parts[path]
            self._finish((part is not None, part or path))
            done += 1
            if progress is not None:
                progress(done, total)
        self.summary.inspected = len(pending)
        self.summary.seconds = round(time.monotonic() - begin, 3)

    def _finish(self, key: _Part) -> None:
        self._missing[key] -= 1
        if self._missing[key] or self._written is None:
            return
        decision = self._counted(key)
        self._written.append(decision)
        self._draw(decision)

    def _decide(self, key: _Part) -> PartDecision:
        images: list[tuple[str, ImageScores | None, str | None]] = [
            (path, self._log.images.get(path), self._errors.get(path))
            for path in self._of._members[key]
        ]
        return decide_part(self._policy, key[1], images, self._of.views)

    def _counted(self, key: _Part) -> PartDecision:
        decision = self._decide(key)
        self.summary.count(decision)
        return decision

    def _draw(self, decision: PartDecision) -> None:
        if self._of.draw == 'none':
            return
        same = decision.line() in self._written.before
        for image in decision.images if not same else ():
            for outcome in OUTCOMES if image.readable else ():
                self._picture(outcome, image.image).unlink(missing_ok=True)
        for image in wanted_pictures(decision, self._of.draw):
            target = self._picture(decision.outcome, image.image)
            if target.exists():
                continue
            try:
                pixels = self._scorer().pixels(image.image)
            # Lost after it was inspected; the decision stands, the picture is left out.
            except InputError:
                continue
            write_picture(
                target, pixels, image, decision, self._log.boxes(image.image), self._policy,
                self._classes,
            )  # fmt: skip

    def _picture(self, outcome: str, image: str) -> Path:
        folder = self._of.out / 'pictures'
        return picture_path(folder, outcome, image, self._log.images[image].sha256)


class _Lazy:
    """Loads the model once, when it is needed."""

    def __init__(self, make: Callable[[], ImageScorer]) -> None:
        self._make = make
        self._made: ImageScorer | None = None

    def __call__(self) -> ImageScorer:
        if self._made is None:
            self._made = self._make()
        return self._made


def _digest(path: str) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None
