"""Which OpenMMLab stack is installed, and whether its versions are the tested ones.

Two stacks share their import names and must not stand side by side: the maintained fork
(``onedl-*``) and the original releases. Neither torch nor OpenMMLab is imported here.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import metadata

from packaging.version import Version

__all__ = ['STACKS', 'Requirement', 'Stack', 'installed_stack', 'require_stack']


@dataclass(frozen=True)
class Requirement:
    """One distribution of a stack.

    Args:
        module (str): Import name.
        names (tuple[str, ...]): Distributions that provide it; the first one is installed by
            our extras.
        minimum (str): Oldest version that works.
        tested (str): Newest version that our tests run on.

    Example:
        >>> Requirement('mmcv', ('mmcv-lite', 'mmcv'), '2.0.0', '2.1.0').names[0]
        'mmcv-lite'
    """

    module: str
    names: tuple[str, ...]
    minimum: str
    tested: str


@dataclass(frozen=True)
class Stack:
    """A set of distributions that belong together.

    Args:
        name (str): Name of the extra, ``onedl`` or ``openmmlab``.
        requirements (tuple[Requirement, ...]): Its distributions.

    Example:
        >>> STACKS[0].name
        'onedl'
    """

    name: str
    requirements: tuple[Requirement, ...]


STACKS = (
    Stack(
        'onedl',
        (
            Requirement('mmengine', ('onedl-mmengine',), '0.10.10', '0.10.12'),
            Requirement('mmcv', ('onedl-mmcv',), '2.3.0', '2.3.6'),
            Requirement('mmdet', ('onedl-mmdetection',), '3.5.0', '3.5.1'),
            Requirement('mmpretrain', ('onedl-mmpretrain',), '1.3.0', '1.3.6'),
        ),
    ),
    Stack(
        'openmmlab',
        (
            Requirement('mmengine', ('mmengine', 'mmengine-lite'), '0.10.0', '0.10.7'),
            Requirement('mmcv', ('mmcv-lite', 'mmcv'), '2.0.0', '2.1.0'),
            Requirement('mmdet', ('mmdet',), '3.3.0', '3.3.0'),
            Requirement('mmpretrain', ('mmpretrain',), '1.2.0', '1.2.0'),
        ),
    ),
)


def _version(names: tuple[str, ...]) -> str | None:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def installed_stack() -> tuple[str | None, dict[str, str | None], list[str], list[str]]:
    """Look at the installed distributions.

    Returns:
        tuple: Name of the stack or None; version of each import name, None where missing;
        errors (missing, too old, or two stacks at once); warnings (newer than tested). Each
        error and warning is one line with its cure.

    Example:
        >>> name, versions, errors, warnings = installed_stack()
        >>> sorted(versions)
        ['mmcv', 'mmdet', 'mmengine', 'mmpretrain']
    """
    found = [
        (stack, {need.module: _version(need.names) for need in stack.requirements})
        for stack in STACKS
    ]
    found = [(stack, versions) for stack, versions in found if any(versions.values())]
    if not found:
        empty = {need.module: None for need in STACKS[0].requirements}
        return None, empty, ["no OpenMMLab stack is installed; pip install 'mmdefect[onedl]'"], []
    stack, versions = found[0]
    errors, notes = [], []
    if len(found) > 1:
        both = ' and '.join(other.name for other, _ in found)
        errors.append(
            f'the stacks {both} are installed side by side and overwrite each other; '
            'make a fresh environment with one of them'
        )
    for need in stack.requirements:
        version = versions[need.module]
        cure = f"pip install 'mmdefect[{stack.name}]'"
        if version is None:
            errors.append(f'{need.names[0]} is not installed; {cure}')
        elif Version(version) < Version(need.minimum):
            errors.append(f'{need.names[0]} {version} is older than {need.minimum}; {cure}')
        elif Version(Version(version).public) > Version(need.tested):
            notes.append(f'{need.names[0]} {version} is newer than the tested {need.tested}')
    return stack.name, versions, errors, notes


def require_stack() -> str:
    """Refuse to go on without a usable stack; warn about versions newer than tested.

    Returns:
        str: Name of the installed stack.

    Raises:
        ImportError: Something is missing, too old, or two stacks are installed.

    Example:
        >>> require_stack() in ('onedl', 'openmmlab')
        True
    """
    name, _, errors, notes = installed_stack()
    if errors or name is None:
        raise ImportError('mmdefect: ' + '; '.join(errors))
    for note in notes:
        warnings.warn(f'mmdefect: {note}', stacklevel=3)
    return name
