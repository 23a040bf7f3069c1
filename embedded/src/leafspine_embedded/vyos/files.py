"""The files of a router's users: what `save NAME` writes and `load NAME` and `merge NAME` read.

They lie in one directory per router, root's alone, under names made from the path a user types; no path of the machine itself is ever
opened. A user reaches /config, /tmp and the own home directory of a real router; every other path is one the router does not have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..common.state import write_atomic

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_AREAS = {"/config/": "config", "/opt/vyatta/etc/config/": "config", "/tmp/": "tmp"}
BOOT = "config.config.boot"
MAX_FILES = 20
MAX_SIZE = 1024 * 1024


def key(name: str, user: str) -> str | None:
    """The name of the file in the router's directory; None for a path a user of this router cannot have.

    A bare name is one in /config, as in VyOS.
    """
    area, rest = "config", name
    for prefix, found in {**_AREAS, f"/home/{user}/": "home"}.items():
        if name.startswith(prefix):
            area, rest = found, name[len(prefix) :]
    return f"{area}.{rest}" if _NAME.fullmatch(rest) else None


class StoreError(Exception):
    """Too many or too large."""


@dataclass(frozen=True)
class Store:
    """The files in a directory, made at the first write."""

    directory: Path

    def _path(self, found: str) -> Path:
        area, _, name = found.partition(".")
        if area not in (*_AREAS.values(), "home") or not _NAME.fullmatch(name):
            raise FileNotFoundError(found)
        return self.directory / found

    def read(self, found: str) -> str:
        """Raises FileNotFoundError."""
        return self._path(found).read_text()

    def write(self, found: str, text: str) -> None:
        """Raises FileNotFoundError for a name that `key` does not make, StoreError, OSError."""
        path = self._path(found)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if len(text) > MAX_SIZE:
            raise StoreError(f"a file has at most {MAX_SIZE} bytes")
        if not path.exists() and len(list(self.directory.iterdir())) >= MAX_FILES:
            raise StoreError(f"a router keeps at most {MAX_FILES} files")
        write_atomic(path, text)
