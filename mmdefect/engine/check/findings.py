"""What a check finds: one line each, with the place and the cure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ['Finding']


@dataclass(frozen=True)
class Finding:
    """One thing that the user should know.

    Args:
        severity ('problem' | 'warning'): A problem makes the check fail; a warning does not.
        where (str): Key of the config, class or data set.
        what (str): What is wrong, in one line.
        cure (str): What to do about it, in one line. Default empty.

    Example:
        >>> str(Finding('warning', 'model.test_cfg.score_thr', '0.05 hides defects', 'set .001'))
        'model.test_cfg.score_thr: 0.05 hides defects; set .001'
    """

    severity: Literal['problem', 'warning']
    where: str
    what: str
    cure: str = ''

    def __str__(self) -> str:
        """One line."""
        return f'{self.where}: {self.what}' + (f'; {self.cure}' if self.cure else '')

    def to_dict(self) -> dict[str, Any]:
        """Give the finding as JSON-serialisable values.

        Returns:
            dict[str, Any]: The fields.
        """
        return asdict(self)
