"""The tiny parent of a cluster's server process: a shell that starts it again when it dies.

A shell takes 1.5 MB where a second Python would take 10. TERM to the shell ends both; exit code 78 of the server (its files make no sense)
ends the loop too. Otherwise the pause doubles from 1 to 30 seconds, and is short again once the server ran for a minute.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from leafspine_embedded.common import process
from leafspine_embedded.kube.server_codes import BAD_SETTINGS

NAME = "server"
STOP_SECONDS = 4.0
_MODULE = "leafspine_embedded.kube.server"

_SCRIPT = """
child=
trap 'stop=1; [ -n "$child" ] && kill -TERM "$child"' TERM INT
pause=1
while [ -z "$stop" ]; do
  began=$(date +%s)
  "$@" &
  child=$!
  wait "$child"; code=$?
  while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
  child=
  [ -n "$stop" ] && exit 0
  [ "$code" = {bad} ] && exit "$code"
  [ $(($(date +%s) - began)) -ge 60 ] && pause=1
  echo "the server ended with $code; it starts again in $pause s" >&2
  sleep "$pause" & wait $!
  pause=$((pause * 2)); [ $pause -gt 30 ] && pause=30
done
"""


def start(directory: Path) -> int:
    """Start the supervised server of a cluster directory; returns the supervisor's process id."""
    command = [sys.executable, "-m", _MODULE, str(directory)]
    script = _SCRIPT.replace("{bad}", str(BAD_SETTINGS))
    # One allocator arena and an early return of freed memory: the process is one thread with many short-lived objects.
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
    return process.spawn(["/bin/sh", "-c", script, f"leafspine-{directory.name}", *command], name=NAME, run_dir=directory, env=environment)


def orphans(directory: Path) -> list[int]:
    """Servers of the cluster whose supervisor is gone. (Pods inherit the server's environment: only the command line tells.)"""
    wanted = f"{_MODULE}\0{directory}\0".encode()
    found = []
    for pid in process.strays(directory, NAME):
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def alive(directory: Path) -> bool:
    return process.alive(directory, NAME)


def stop(directory: Path) -> None:
    """End server and supervisor."""
    process.stop(directory, NAME, STOP_SECONDS)
