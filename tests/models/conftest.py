"""Lets MMDetection's models be imported, before any test file here does."""

from __future__ import annotations

import mmdefect  # noqa: F401
