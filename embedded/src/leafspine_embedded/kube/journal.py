"""The store's memory on disk: a snapshot plus a journal of every change since, so that a killed process loses nothing.

The directory is on tmpfs (a reboot takes namespaces and state together), so a completed write() is as durable as it gets; no fsync.
A line that was cut by a crash is the last one and is dropped: its change was never acknowledged.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from leafspine_embedded.kube.objects import Object

COMPACT_BYTES = 2_000_000


class Journal:
    """Files `snapshot.json` and `journal.jsonl` in `directory` (made when missing, mode 0700)."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._snapshot = directory / "snapshot.json"
        self._path = directory / "journal.jsonl"
        self._fd = -1
        self.size = 0

    def load(self) -> tuple[int, dict[str, Object]]:
        """(last resource version, objects by `<group>/<plural>/<namespace>/<name>`); opens the journal for appending."""
        version, objects = 0, {}
        if self._snapshot.exists():
            saved = json.loads(self._snapshot.read_text())
            version, objects = saved["version"], saved["objects"]
        complete = 0
        if self._path.exists():
            raw = self._path.read_bytes()
            complete = raw.rfind(b"\n") + 1
            for line in raw[:complete].splitlines():
                entry = json.loads(line)
                # A crash between writing the snapshot and emptying the journal leaves changes that the snapshot already has.
                if entry["v"] <= version:
                    continue
                version = entry["v"]
                if entry.get("o") is None:
                    objects.pop(entry["k"], None)
                else:
                    objects[entry["k"]] = entry["o"]
        self._open(complete)
        return version, objects

    def _open(self, size: int) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, size)
        self.size = size

    def append(self, version: int, key: str, obj: Object | None) -> None:
        """One change (None: deleted). Raises OSError, with the journal as it was before, when the disk is full."""
        entry: dict[str, Any] = {"v": version, "k": key, "o": obj}
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        written = 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(line)

    def compact(self, version: int, objects: dict[str, Object]) -> None:
        """Replace snapshot and journal by a snapshot of `objects`."""
        temporary = self._snapshot.with_suffix(".tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"version": version, "objects": objects}, stream, separators=(",", ":"))
        temporary.replace(self._snapshot)
        os.ftruncate(self._fd, 0)
        self.size = 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
