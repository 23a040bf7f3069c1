"""Detached processes: start them, know whether they are still the same ones, stop them.

`<run_dir>/<name>.pid` holds "<pid> <start time in clock ticks since boot>": a process id alone can be reused by the kernel for a stranger.
The environment variable LEAFSPINE_PROCESS=<run_dir>/<name> marks a process, so one whose pid file was never written (the starter was
killed in between) is found again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import netns as namespaces
from .state import write_atomic

MARK = "LEAFSPINE_PROCESS"
_children: dict[int, subprocess.Popen[bytes]] = {}  # kept so that a long-lived starter reaps them


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process started; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def spawn(
    argv: Sequence[str],
    *,
    name: str,
    run_dir: Path,
    netns: str | None = None,
    user: str | None = None,
    groups: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    log: Path | None = None,
) -> int:
    """Start a daemon in its own session; returns its process id. log: where standard output and error are appended to, by default
    <run_dir>/<name>.log.

    netns: namespace it runs in. user, groups: whom it runs as; the first group is its primary one (default: the user's own), the rest
    supplementary. env: added to the present environment. Raises OSError when the program cannot be started.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **(env or {}), MARK: str(run_dir / name)}
    output = os.open(log or run_dir / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    primary, *others = groups if groups else [None]
    if primary is None and user is not None:
        import pwd

        primary = str(pwd.getpwnam(user).pw_gid)
    place = namespaces.entered(netns) if netns is not None else contextlib.nullcontext()
    try:
        with place:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
                env=environment,
                user=user,
                group=int(primary) if primary is not None and primary.isdigit() else primary,
                extra_groups=[other for other in others if other is not None] if user is not None else None,
                pass_fds=tuple(pass_fds),
            )
    finally:
        os.close(output)
    _children[child.pid] = child
    write_atomic(run_dir / f"{name}.pid", f"{child.pid} {start_time(child.pid) or 0}\n", mode=0o644)
    return child.pid


def python(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Command line and environment that run a module of this package with this interpreter, wherever the present process found both
    (a relative PYTHONPATH means nothing to a daemon, which starts in /)."""
    source = str(Path(__file__).resolve().parents[2])
    others = [entry for entry in os.environ.get("PYTHONPATH", "").split(":") if os.path.isabs(entry) and entry != source]
    return [sys.executable, "-m", module, *arguments], {"PYTHONPATH": ":".join([source, *others])}


def pid(run_dir: Path, name: str) -> int | None:
    """The process id while the very process that was started is alive, else None."""
    try:
        number, started = (int(word) for word in (run_dir / f"{name}.pid").read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    child = _children.get(number)
    if child is not None:
        child.poll()
    return number if start_time(number) == started else None


def returncode(number: int) -> int | None:
    """How a child of this process ended, as subprocess has it; None for a process that lives or is nobody's child here."""
    child = _children.get(number)
    return child.poll() if child is not None else None


def ended(number: int, timeout: float) -> int | None:
    """Wait for the end of a child, kill it after `timeout` seconds; how it ended, as `returncode`."""
    child = _children.get(number)
    if child is None:
        kill([number], timeout)
        return None
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def reap() -> None:
    """Take notice of children that ended; those that had ended at the last call are forgotten."""
    for number, child in list(_children.items()):
        if child.returncode is not None:
            del _children[number]
        else:
            child.poll()


def alive(run_dir: Path, name: str) -> bool:
    """True while the process that was started under this name lives (process id and start time both match)."""
    return pid(run_dir, name) is not None


def strays(run_dir: Path, name: str | None = None) -> list[int]:
    """Live processes that were started for this run directory (or only under this name), pid file or not."""
    wanted = f"{MARK}={run_dir}/{name or ''}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for item in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                if item == wanted or (name is None and item.startswith(wanted)):
                    found.append(int(entry))
    return found


def _gone(number: int, started: int | None) -> bool:
    child = _children.get(number)
    if child is not None:
        child.poll()
    now = start_time(number)
    return now is None or (started is not None and now != started)


def kill(pids: Sequence[int], timeout: float = 5.0) -> None:
    """TERM all of them at once, wait at most `timeout` seconds, KILL what is left, and wait until all are gone (at most 2 s more)."""
    left = {number: start_time(number) for number in pids}
    for sign, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, 2.0)):
        for number in left:
            if not _gone(number, left[number]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, sign)
        deadline = time.monotonic() + patience
        pause = 0.001
        while True:
            left = {number: started for number, started in left.items() if not _gone(number, started)}
            if not left or time.monotonic() >= deadline:
                break
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        if not left:
            break
    for number in pids:
        if number not in left:
            _children.pop(number, None)


def stop(run_dir: Path, name: str, timeout: float = 5.0) -> None:
    """End the process of this name: TERM, after `timeout` seconds KILL. Nothing happens when it does not run; its pid file goes."""
    number = pid(run_dir, name)
    kill([number] if number is not None else [], timeout)
    with contextlib.suppress(FileNotFoundError):
        (run_dir / f"{name}.pid").unlink()
