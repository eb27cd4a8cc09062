"""The decision of an inspection line as a file that someone can sign."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from mmdefect._version import __version__
from mmdefect.decision.bands import Bands
from mmdefect.decision.evidence import Costs, Evidence, collect_evidence
from mmdefect.decision.file_kind import file_kind
from mmdefect.decision.part_scores import PartScores
from mmdefect.decision.part_thresholds import PartThresholds
from mmdefect.decision.pooling import Pooling
from mmdefect.decision.reaches import reaches
from mmdefect.decision.training_manifest import Sha256
from mmdefect.decision.validation import first_problem
from mmdefect.decision.verdict import Verdict
from mmdefect.errors import InputError
from mmdefect.fileio import write_text

__all__ = ['POLICY_FORMAT', 'ThresholdPolicy']

POLICY_FORMAT = 'mmdefect-policy/1'


class ThresholdPolicy(BaseModel):
    """Thresholds of a model, with what they promise and where they come from.

    The file holds a hash of its own content, so that an edit by hand is found; this protects
    from mistakes, it is no signature.

    Args:
        format (str): ``mmdefect-policy/1``; another number, another meaning.
        model_sha256 (str): Hash of the checkpoint that the thresholds belong to.
        calibration_sha256 (str): Hash of the list of calibration parts.
        classes (tuple[str, ...]): Class names by index.
        thresholds (dict[str, Bands]): Bands of every class.
        pooling (Pooling): How the images of a part become its scores.
        costs (Costs | None): Costs that the thresholds were chosen by. Default None.
        evidence (Evidence): Counts, bounds, method and date.
        inference (dict | None): How the model was run on the calibration images; None if nobody
            knows. Default None.

    Raises:
        ValidationError: A key is missing, unknown or of another type (a ``ValueError``).

    Example:
        >>> sorted(ThresholdPolicy.model_fields)[:3]
        ['calibration_sha256', 'classes', 'costs']
    """

    model_config = ConfigDict(extra='forbid', frozen=True, strict=True)

    format: Literal['mmdefect-policy/1'] = 'mmdefect-policy/1'
    model_sha256: Sha256
    calibration_sha256: Sha256
    classes: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    thresholds: dict[str, Bands]
    pooling: Pooling
    costs: Costs | None = None
    evidence: Evidence
    inference: dict[str, JsonValue] | None = None

    @model_validator(mode='after')
    def _one_threshold_per_class(self) -> ThresholdPolicy:
        if sorted(self.classes) != sorted(self.thresholds):
            raise ValueError(
                f'thresholds must be given for {", ".join(self.classes)}, got '
                f'{", ".join(self.thresholds)}'
            )
        return self

    @classmethod
    def from_thresholds(
        cls, parts: PartScores, chosen: PartThresholds, date: str | None = None
    ) -> ThresholdPolicy:
        """Write down thresholds and what they rest on.

        Args:
            parts (PartScores): Calibration parts.
            chosen (PartThresholds): Thresholds chosen on them.
            date (str | None): When, ISO 8601. Default None, now.

        Returns:
            ThresholdPolicy: The policy.
        """
        goal = chosen.choices[0].goal
        costs = None
        if goal.cost_miss is not None and goal.cost_alarm is not None:
            costs = Costs(miss=goal.cost_miss, alarm=goal.cost_alarm)
        now = datetime.now(timezone.utc).isoformat(timespec='seconds')
        return cls(
            model_sha256=parts.header.model,
            calibration_sha256=parts.sha256(),
            classes=chosen.classes,
            thresholds={
                name: Bands(hold=hold, fail=fail)
                for name, hold, fail in zip(chosen.classes, chosen.hold, chosen.fail, strict=True)
            },
            pooling=parts.pooling,
            costs=costs,
            inference=parts.header.inference,
            evidence=collect_evidence(parts, chosen, date or now, f'mmdefect {__version__}'),
        )

    def decide(self, scores: npt.ArrayLike) -> Verdict:
        """Decide about one part.

        Args:
            scores (np.ndarray): Highest score per image and class, 0 where nothing was detected,
                shape (I, C); the classes in the order of the policy.

        Returns:
            Verdict: FAIL before HOLD before PASS; of several classes the one furthest above its
            threshold.

        Raises:
            InputError: A score is NaN or not from 0 to 1.
            ValueError: The shape is another, or there is no image.
        """
        try:
            values = np.asarray(scores, np.float64)
            found = str(values.shape)
        except (TypeError, ValueError):
            # Rows of different lengths, or texts.
            values, found = np.zeros(0), repr(scores)[:80]
        if values.ndim != 2 or values.shape[1] != len(self.classes) or not len(values):
            raise ValueError(
                f'scores must have shape (I, {len(self.classes)}): a row for each image of the '
                f'part, at least one, with a number for each of {", ".join(self.classes)}; got '
                f'{found}'
            )
        bad = np.argwhere(~((values >= 0) & (values <= 1)))
        if len(bad):
            image, index = bad[0]
            raise InputError(
                f'image {image} of the part has a score of {values[image, index]} for class '
                f'{self.classes[index]!r}, which is not from 0 to 1; check the model'
            )
        pooled = self.pooling.pool(values)
        bands = [self.thresholds[name] for name in self.classes]
        fail = np.array([np.inf if band.fail is None else band.fail for band in bands])
        for outcome, limits in (('FAIL', fail), ('HOLD', np.array([band.hold for band in bands]))):
            over = reaches(pooled, limits)
            if over.any():
                index = int(np.where(over, pooled - limits, -np.inf).argmax())
                name, score, limit = self.classes[index], float(pooled[index]), float(limits[index])
                return Verdict(
                    outcome,  # type: ignore[arg-type]
                    f'{name} {score:.4g} reaches {limit:.4g}',
                    name,
                    score,
                    limit,
                )
        return Verdict('PASS', 'no score reaches its threshold', None, float(pooled.max()), None)

    def check_model(self, model_sha256: str) -> None:
        """Refuse another model than the one the thresholds were chosen for.

        Args:
            model_sha256 (str): Hash of the checkpoint in use.

        Raises:
            InputError: It is another one.
        """
        if model_sha256 != self.model_sha256:
            raise InputError(
                f'the policy belongs to model {self.model_sha256[:12]}, and the model in use is '
                f'{model_sha256[:12]}; choose thresholds for this model'
            )

    def save(self, path: str | Path) -> None:
        """Write the policy as JSON, whole or not at all.

        Args:
            path (str | Path): File to write; missing parent folders are made.

        Raises:
            InputError: The path cannot be written.
        """
        content = self.model_dump(mode='json')
        content = {'format': content.pop('format'), 'content_sha256': _digest(content), **content}
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + '\n')

    @classmethod
    def load(cls, path: str | Path, model_sha256: str | None = None) -> ThresholdPolicy:
        """Read a policy.

        Args:
            path (str | Path): File that :meth:`save` wrote.
            model_sha256 (str | None): Hash of the checkpoint in use. Default None, not compared.

        Returns:
            ThresholdPolicy: The policy.

        Raises:
            InputError: The file cannot be read, comes from a newer version, was edited, or
                belongs to another model.
        """
        try:
            data = Path(path).read_bytes()
            content: Any = json.loads(data)
        except OSError as error:
            raise InputError(
                f'{path}: cannot be read ({error.strerror}); check the path'
            ) from error
        except (ValueError, RecursionError) as error:
            kind = file_kind(data[:1000])
            why = f'no policy, it looks like {kind}' if kind else f'no JSON ({error})'
            raise InputError(
                f'{path}: {why}; give a file that `mmdefect thresholds --out` wrote'
            ) from error
        version = content.get('format') if isinstance(content, dict) else None
        number = re.fullmatch(r'mmdefect-policy/(\d{1,9})', str(version))
        if not isinstance(content, dict) or number is None:
            kind = file_kind(data)
            seems = f', it looks like {kind}' if kind else ''
            raise InputError(
                f'{path}: no policy{seems}: its key "format" is not {POLICY_FORMAT!r}; give a '
                'file that `mmdefect thresholds --out` wrote'
            )
        if int(number[1]) > 1:
            raise InputError(
                f'{path}: written by a newer mmdefect (policy format {number[1]}, this one reads '
                '1); update mmdefect'
            )
        written = content.pop('content_sha256', None)
        if written != _digest({key: content[key] for key in content if key != 'format'}):
            raise InputError(
                f'{path}: edited since it was written (its content does not match its '
                'content_sha256); choose the thresholds again with `mmdefect thresholds`'
            )
        try:
            policy = cls.model_validate(content)
        except ValidationError as error:
            raise InputError(
                f'{path}: no policy: {first_problem(error)}; write it again'
            ) from error
        if model_sha256 is not None:
            try:
                policy.check_model(model_sha256)
            except InputError as error:
                raise InputError(f'{path}: {error}') from None
        return policy


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()
