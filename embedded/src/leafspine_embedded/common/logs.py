"""Where daemons log, and how those logs stay small.

A lab and a cluster each have one folder `log` in their state directory. With LEAFSPINE_LOGS set (an absolute path) when it is made, it is a link to
a folder below that path, so that all logs of both are in one place which a reboot does not empty.

Daemons write to an inherited descriptor opened for appending, so a log is rotated by copying and cutting it: a daemon that was never told
goes on at the new end. Lines written between copy and cut are lost.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

LIMIT = 4 << 20  # bytes of one log
KEEP = 2  # older ones beside it: <name>.1.log, <name>.2.log
EVERY = 30.0  # seconds between two looks, for whoever rotates
VARIABLE = "LEAFSPINE_LOGS"
_PARTS = {"labs": "routers", "clusters": "cluster"}


def directory(home: Path) -> Path:
    """The folder for the logs of a state directory (<run root>/labs/<lab> or <run root>/clusters/<cluster>); made, root's alone."""
    place = home / "log"
    wanted = os.environ.get(VARIABLE, "")
    if not place.is_symlink() and not place.exists() and os.path.isabs(wanted):
        place.symlink_to(Path(wanted) / _PARTS.get(home.parent.name, home.name))
    target = Path(os.path.realpath(place))
    if not target.is_dir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.chmod(0o700)
    return place


def remove(home: Path) -> None:
    """Remove a state directory's logs, and the folder above them when it is empty then."""
    place = home / "log"
    if place.is_symlink():
        target = Path(os.readlink(place))
        shutil.rmtree(target, ignore_errors=True)
        with contextlib.suppress(OSError):
            target.parent.rmdir()
        place.unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def rotate(folder: Path, limit: int = LIMIT, keep: int = KEEP) -> list[str]:
    """Cut every log of a folder that has grown beyond the limit; returns the names. What cannot be copied (disk full) is cut all the same."""
    cut = []
    for log in sorted(folder.glob("*.log")):
        if log.stem.rpartition(".")[2].isdigit():
            continue
        try:
            if log.stat().st_size <= limit:
                continue
            for number in range(keep, 1, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(_older(log, number - 1), _older(log, number))
            try:
                shutil.copyfile(log, _older(log, 1))
                _older(log, 1).chmod(0o640)
            except OSError:
                _older(log, 1).unlink(missing_ok=True)
            os.truncate(log, 0)
            cut.append(log.name)
        except FileNotFoundError:
            continue
    return cut


def _older(log: Path, number: int) -> Path:
    return log.with_name(f"{log.stem}.{number}.log")


def tail(log: Path, lines: int = 1) -> list[str]:
    """The last lines that are not empty; none when there is no log."""
    try:
        with log.open("rb") as source:
            source.seek(0, os.SEEK_END)
            source.seek(max(0, source.tell() - 65536))
            text = source.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip()[:500] for line in text.splitlines() if line.strip()][-lines:]


def last_words(log: Path) -> str:
    """The line that tells most about a death: FRR's on the signal it received or the assertion that failed, else the last one."""
    lines = tail(log, 80)
    telling = [line for line in lines if "eceived signal" in line or "ssertion" in line]
    return (telling or lines or [""])[-1]
