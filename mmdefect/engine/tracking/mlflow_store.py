"""What must be in place before MLflow opens a store, and what it leaves behind."""

from __future__ import annotations

import importlib.util
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from mmengine.logging import MMLogger

from mmdefect.errors import InputError

__all__ = ['check_store', 'reopen_log']


def check_store(uri: str) -> Path | None:
    """Refuse what MLflow would refuse with a traceback, or only after minutes.

    The file of an SQLite store is made.

    Args:
        uri (str): Tracking URI.

    Returns:
        Path | None: The SQLite file, absolute; None for a server or another database.

    Raises:
        InputError: A package is missing, or the SQLite file cannot be written.

    Example:
        >>> import tempfile
        >>> check_store(f'sqlite:///{tempfile.mkdtemp()}/runs.db').name
        'runs.db'
    """
    _require('mlflow')
    if not uri.startswith('sqlite:'):
        return None
    _require('sqlalchemy', 'alembic')
    from sqlalchemy.engine import make_url

    path = Path(make_url(uri).database or '').resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # MLflow tries a path that cannot be written for two minutes.
        with closing(sqlite3.connect(path)) as connection:
            connection.execute('BEGIN IMMEDIATE')
    except (OSError, sqlite3.Error) as error:
        raise InputError(
            f'vis_backends: MLflow at {uri}: the file cannot be written ({error}); give another '
            'tracking_uri or MLFLOW_TRACKING_URI'
        ) from None
    return path


def reopen_log() -> None:
    """Give MMEngine's log its file back.

    MLflow configures logging when it is imported and when it makes a database, and Python then
    closes every log file there is; one that was opened for writing is not opened again.

    Example:
        >>> reopen_log()
    """
    for handler in MMLogger.get_current_instance().handlers:
        if isinstance(handler, logging.FileHandler) and handler.stream is None:
            handler.stream = open(  # noqa: SIM115
                handler.baseFilename, 'a', encoding=handler.encoding
            )


def _require(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f'vis_backends: MLflow needs the package {package}; '
                "pip install 'mmdefect[tracking]'"
            )
