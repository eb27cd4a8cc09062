"""All that a check has found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from mmdefect.engine.check.cures import Failure
from mmdefect.engine.check.data_counts import DataFlow
from mmdefect.engine.check.findings import Finding
from mmdefect.engine.check.head_positives import HeadPositives
from mmdefect.engine.check.timing import Iteration, TimeEstimate

__all__ = ['CheckReport', 'ModelInput']


@dataclass(frozen=True)
class ModelInput:
    """One tensor that entered the model.

    Args:
        branch (str): Branch of a semi-supervised batch, ``validation``, or empty.
        shape (tuple[int, ...]): (images, channels, h, w).
        dtype (str): Such as ``float32``.

    Example:
        >>> str(ModelInput('sup', (2, 3, 64, 96), 'float32'))
        'sup 2 x 3 x 64 x 96 float32'
    """

    branch: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        """Branch, shape and dtype."""
        return f'{self.branch} {" x ".join(map(str, self.shape))} {self.dtype}'.strip()


@dataclass
class CheckReport:
    """What a dry run has found.

    Args:
        config (str): Config file.
        device (str): ``cpu`` or ``cuda``.

    Attributes:
        flows (list[DataFlow]): Data sets.
        inputs (list[ModelInput]): Tensors that entered the model, in order.
        iterations (list[Iteration]): Losses and times.
        positives (list[HeadPositives]): What the heads' assigners did.
        findings (list[Finding]): Problems and warnings.
        failure (Failure | None): What stopped the run.
        time (TimeEstimate | None): Expected times.
        validation_seconds (float | None): Prediction of one validation batch.
        validation_batches (int | None): Batches of a validation.
        peak_bytes (int | None): Peak memory of the process.
        peak_bytes_gpu (int | None): Peak memory of tensors on the GPU.
        parameters (int | None): Weights of the model that train.
        not_judged (list[str]): Parts of the check that could not be done, and why.

    Example:
        >>> CheckReport('c.py', 'cpu').passed
        True
    """

    config: str
    device: str
    flows: list[DataFlow] = field(default_factory=list)
    inputs: list[ModelInput] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list)
    positives: list[HeadPositives] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    failure: Failure | None = None
    time: TimeEstimate | None = None
    validation_seconds: float | None = None
    validation_batches: int | None = None
    peak_bytes: int | None = None
    peak_bytes_gpu: int | None = None
    parameters: int | None = None
    not_judged: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[Finding]:
        """Findings that make the check fail."""
        return [finding for finding in self.findings if finding.severity == 'problem']

    @property
    def warnings(self) -> list[Finding]:
        """Findings that do not."""
        return [finding for finding in self.findings if finding.severity == 'warning']

    @property
    def passed(self) -> bool:
        """No failure and no problem."""
        return self.failure is None and not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Give everything as JSON-serialisable values; losses that are not finite become None.

        Returns:
            dict[str, Any]: The report.
        """
        return {
            'config': self.config,
            'device': self.device,
            'passed': self.passed,
            'failure': None if self.failure is None else self.failure.to_dict(),
            'problems': [finding.to_dict() for finding in self.problems],
            'warnings': [finding.to_dict() for finding in self.warnings],
            'not_judged': self.not_judged,
            'data': [flow.to_dict() for flow in self.flows],
            'inputs': [
                {'branch': item.branch, 'shape': list(item.shape), 'dtype': item.dtype}
                for item in self.inputs
            ],
            'iterations': [
                {
                    'losses': {
                        name: value if math.isfinite(value) else None
                        for name, value in item.losses.items()
                    },
                    'finite': not item.not_finite(),
                    'data_seconds': item.data_seconds,
                    'step_seconds': item.step_seconds,
                }
                for item in self.iterations
            ],
            'positives': [head.to_dict() for head in self.positives],
            'time': None if self.time is None else self.time.to_dict(),
            'validation_seconds': self.validation_seconds,
            'validation_batches': self.validation_batches,
            'peak_bytes': self.peak_bytes,
            'peak_bytes_gpu': self.peak_bytes_gpu,
            'parameters': self.parameters,
        }
