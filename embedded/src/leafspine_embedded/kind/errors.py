"""The one exception of the kind drop-in."""

from __future__ import annotations

from leafspine_embedded.common.errors import EngineError


class KindError(EngineError):
    """What stands behind `ERROR: ` on standard error; the exit code is 1."""
