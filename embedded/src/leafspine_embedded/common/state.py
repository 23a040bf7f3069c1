"""Where the engine keeps what it knows (the place Docker's own state has for the real tools), atomic writes and locks.

Layout: <run root>/labs/<lab>/..., <run root>/clusters/<cluster>/...; the run root is /run/leafspine, or $LEAFSPINE_RUN.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import EngineError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class LockHeld(EngineError):
    """Somebody else holds the lock; the text names the process."""


def run_root() -> Path:
    """The root of the engine's state; may not exist yet."""
    return Path(os.environ.get("LEAFSPINE_RUN") or "/run/leafspine")


def _named(kind: str, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise EngineError(f'"{name}" cannot name a lab or cluster: a letter or digit, then letters, digits, ".", "_", "-"; at most 63')
    return run_root() / kind / name


def lab_dir(lab: str) -> Path:
    """State of one lab of the containerlab drop-in; not created. Raises EngineError for a name that could leave the directory."""
    return _named("labs", lab)


def cluster_dir(cluster: str) -> Path:
    """State of one cluster of the kind drop-in; not created."""
    return _named("clusters", cluster)


def _list(kind: str) -> list[str]:
    try:
        return sorted(entry.name for entry in (run_root() / kind).iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []


def list_labs() -> list[str]:
    """Names of the labs that have a state directory, half-built ones included."""
    return _list("labs")


def list_clusters() -> list[str]:
    """Names of the clusters that have a state directory, half-built ones included."""
    return _list("clusters")


def ensure_dir(directory: Path, mode: int = 0o711) -> Path:
    """Make a state directory; every directory from the run root down that is new gets `mode` (default: may be passed, not listed)."""
    for attempt in range(5):
        missing = []
        current = directory
        while not current.exists():
            missing.append(current)
            current = current.parent
        try:
            for new in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    new.mkdir()
                    new.chmod(mode)
            return directory
        except FileNotFoundError:  # somebody removed an empty parent in between
            if attempt == 4:
                raise
    return directory


def write_atomic(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file as a whole: a reader sees the old text or the new one, a crash leaves no half file."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def remove_empty(directory: Path) -> None:
    """Remove a state directory's parents up to the run root as far as they are empty: after the last lab nothing is left."""
    root = run_root()
    while directory.is_relative_to(root):
        try:
            directory.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        directory = directory.parent


@contextlib.contextmanager
def lock(path: Path, wait: float = 60.0) -> Iterator[None]:
    """Hold an exclusive lock on a file (made when missing). The kernel drops it when the holder dies, however it dies.

    wait: seconds to wait for another holder; then LockHeld, which says who it is. The file may be deleted by a holder (a lab that is
    destroyed): whoever waited on the deleted file starts again on the new one.
    """
    deadline = time.monotonic() + wait
    while True:
        ensure_dir(path.parent)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # the directory went away in between
            continue
        try:
            if not _flock(descriptor, deadline):
                holder = os.pread(descriptor, 500, 0).decode(errors="replace").strip() or "another process"
                raise LockHeld(f"{path} is held by {holder}; waited {wait:g} s")
            if not _same_file(descriptor, path):
                continue
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} ({' '.join(sys.argv)[:200]})\n".encode(), 0)
            yield
            return
        finally:
            os.close(descriptor)


def _flock(descriptor: int, deadline: float) -> bool:
    """Try for the lock until the deadline; poll, because a blocking flock cannot be bounded without signals."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
