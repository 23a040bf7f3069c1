"""The one exception a drop-in turns into its error line and exit code."""

from __future__ import annotations


class EngineError(Exception):
    """Something the user can act on: the text says what was found and what is needed."""
