"""What becomes of a part, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmdefect.decision import ImageScores, Pooling, ThresholdPolicy, Verdict
from mmdefect.wording import counted

__all__ = ['ImageDecision', 'PartDecision', 'decide_part']


@dataclass(frozen=True, slots=True)
class ImageDecision:
    """What an image says about its part.

    Args:
        image (str): Its path.
        outcome (str): ``PASS``, ``HOLD`` or ``FAIL``, as if it alone decided.
        reason (str): Why.
        readable (bool): Whether it could be inspected. Default True.

    Example:
        >>> ImageDecision('a.png', 'HOLD', 'a.png: image file is missing', False).readable
        False
    """

    image: str
    outcome: str
    reason: str
    readable: bool = True


@dataclass(frozen=True, slots=True)
class PartDecision:
    """A line of ``decisions.jsonl``.

    Args:
        part (str): Part id; the path of an image that is its own part.
        outcome (str): ``PASS``, ``HOLD`` or ``FAIL``.
        reason (str): Why.
        class_name (str | None): Class that decided; None if none did.
        score (float | None): Its score, or the highest one of a part that passes; None where the
            scores did not decide.
        threshold (float | None): The threshold reached; None if none was.
        images (tuple[ImageDecision, ...]): Its images.

    Example:
        >>> PartDecision('p1', 'PASS', 'no score reaches its threshold', None, 0.1, None, ()).line()
        '{"part": "p1", "outcome": "PASS", "reason": "no score reaches its threshold", "class": \
null, "score": 0.1, "threshold": null, "images": []}'
    """

    part: str
    outcome: str
    reason: str
    class_name: str | None
    score: float | None
    threshold: float | None
    images: tuple[ImageDecision, ...]

    def line(self) -> str:
        """The decision as JSON, without the line end.

        Returns:
            str: One JSON object.
        """
        content: dict[str, Any] = {
            'part': self.part, 'outcome': self.outcome, 'reason': self.reason,
            'class': self.class_name, 'score': self.score, 'threshold': self.threshold,
            'images': [
                {'image': image.image, 'outcome': image.outcome, 'reason': image.reason,
                 'readable': image.readable}
                for image in self.images
            ],
        }  # fmt: skip
        return json.dumps(content, ensure_ascii=False, allow_nan=False)


def decide_part(
    policy: ThresholdPolicy,
    part: str,
    images: Sequence[tuple[str, ImageScores | None, str | None]],
    views: int | None = None,
) -> PartDecision:
    """Decide about one part; what was not looked at never passes.

    A part with an image that could not be inspected, with fewer images than it should have, or
    with fewer than the policy asks for to stop a part, is on HOLD, unless it fails anyway.

    Args:
        policy (ThresholdPolicy): Thresholds and how images are pooled.
        part (str): Part id.
        images (Sequence[tuple]): Path, scores and, where there are none, why, of each image; at
            least one.
        views (int | None): Images that a part has. Default None: not checked.

    Returns:
        PartDecision: The decision.

    Example:
        >>> len(PartDecision.__dataclass_fields__)
        7
    """
    single = policy.model_copy(update={'pooling': Pooling()})
    rows: list[list[float]] = []
    decided: list[ImageDecision] = []
    for path, scores, error in images:
        if scores is None:
            decided.append(ImageDecision(path, 'HOLD', error or 'not inspected', False))
            continue
        row = [scores.scores.get(name, 0.0) for name in policy.classes]
        verdict = single.decide([row])
        decided.append(ImageDecision(path, verdict.outcome, verdict.reason))
        rows.append(row)
    verdict = policy.decide(rows) if rows else Verdict('PASS', '', None, 0.0, None)
    lacking = _lacking(policy, decided, views)
    if verdict.outcome == 'FAIL' or lacking is None:
        return PartDecision(
            part, verdict.outcome, verdict.reason, verdict.class_name, verdict.score,
            verdict.threshold, tuple(decided),
        )  # fmt: skip
    reason = f'{verdict.reason}; {lacking}' if verdict.outcome == 'HOLD' else lacking
    shown = verdict.outcome == 'HOLD'
    return PartDecision(
        part, 'HOLD', reason, verdict.class_name if shown else None,
        verdict.score if shown else None, verdict.threshold if shown else None, tuple(decided),
    )  # fmt: skip


def _lacking(
    policy: ThresholdPolicy, images: Sequence[ImageDecision], views: int | None
) -> str | None:
    """Why a part must not pass whatever its scores say."""
    unread = [image.reason for image in images if not image.readable]
    if unread:
        more = f' (and {counted(len(unread) - 1, "more image")})' if len(unread) > 1 else ''
        return f'{unread[0]}{more}'
    if views is not None and len(images) < views:
        return f'only {len(images)} of {views} images given'
    if len(images) < policy.pooling.n:
        return f'only {len(images)} of the {policy.pooling.n} images given that must show a defect'
    return None
