"""What died, when and why: one JSON line each in `crashes.jsonl` of a lab's or cluster's state directory.

Fields: time (UTC), process (as in the log's name), reason, restarts (how many followed so far), gave_up (it was not started again).
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import logs

FILE = "crashes.jsonl"
MOST = 200  # lines that are kept


@dataclass
class Budget:
    """How often something may be started again: at most `most` times within `window` seconds, each after a longer pause."""

    most: int = 5
    window: float = 300.0
    first: float = 0.5
    longest: float = 8.0
    spent: list[float] = field(default_factory=list)

    def pause(self, now: float) -> float | None:
        """Seconds to wait before the next start, which is counted; None when there have been too many."""
        self.spent = [then for then in self.spent if now - then < self.window]
        if len(self.spent) >= self.most:
            return None
        self.spent.append(now)
        return min(self.first * 2 ** (len(self.spent) - 1), self.longest)


def reason(returncode: int | None, log: Path | None = None) -> str:
    """How a process ended, in words; `returncode` as subprocess has it, None for somebody else's child. log: whose last words are added."""
    words = logs.last_words(log) if log is not None else ""
    return _ending(returncode) + (f"; its log: {words}" if words else "")


def _ending(returncode: int | None) -> str:
    if returncode is None:
        return "ended; it was no child of its supervisor, so the exit code is unknown"
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


def note(home: Path, process: str, why: str, *, restarts: int = 0, gave_up: bool = False) -> None:
    """Write one down. Never raises: a supervisor must not die of a full disk."""
    entry = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "process": process,
        "reason": why,
        "restarts": restarts,
        "gave_up": gave_up,
    }
    path = home / FILE
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        if len(lines) >= 2 * MOST:
            path.write_text("".join(f"{line}\n" for line in lines[-MOST:]))
        with path.open("a") as out:
            out.write(json.dumps(entry) + "\n")
        path.chmod(0o600)


def read(home: Path) -> list[dict[str, Any]]:
    """All that is written down, oldest first; lines that were cut off are left out."""
    found = []
    with contextlib.suppress(OSError):
        for line in (home / FILE).read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found
