"""The tiny parent of a long-lived process: a shell that starts it again when it dies, and gives up when that happens too often.

A shell takes 1.5 MB where a second Python would take 10. TERM to the shell ends both; exit code 78 of the program (its files make no sense)
ends the loop too. The pause doubles from 1 to 30 seconds; a run of a minute wipes out what was before. Every death is written down
(`crashes`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import crashes, logs, process

BAD_SETTINGS = 78
MOST = 8  # starts in a row that are cut short before it gives up

# $1: crash file, $2: log, $3: name; then the command.
_SCRIPT = """
crashes=$1 log=$2 name=$3
shift 3
child=
trap 'stop=1; [ -n "$child" ] && kill -TERM "$child"' TERM INT
note() {
  why="$1"; last=$(tail -n 1 "$log" 2>/dev/null | tr -d '"\\\\\\\\' | tr -cd '[:print:]' | cut -c 1-300)
  [ -n "$last" ] && why="$why; its log: $last"
  (umask 077; printf '{"time": "%s", "process": "%s", "reason": "%s", "restarts": %s, "gave_up": %s}\\n' \\
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$name" "$why" "$count" "$2" >> "$crashes") 2>/dev/null
}
pause=1 count=0
while [ -z "$stop" ]; do
  began=$(date +%s)
  "$@" &
  child=$!
  { wait "$child"; code=$?; } 2>/dev/null
  while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
  child=
  [ -n "$stop" ] && exit 0
  if [ "$code" -gt 128 ]; then how="killed by SIG$(kill -l "$code")"; else how="ended with exit code $code"; fi
  [ "$code" = {bad} ] && { note "$how: its files make no sense" true; exit "$code"; }
  [ $(($(date +%s) - began)) -ge 60 ] && { pause=1; count=0; }
  if [ "$count" -ge {most} ]; then
    note "$how" true
    echo "$name: $how; it is not started again after $count restarts" >&2
    exit 1
  fi
  count=$((count + 1))
  note "$how" false
  echo "$name: $how; it starts again in $pause s" >&2
  sleep "$pause" &
  child=$!; wait "$child"; child=
  pause=$((pause * 2)); [ $pause -gt 30 ] && pause=30
done
"""


def start(command: Sequence[str], *, name: str, home: Path, env: Mapping[str, str]) -> int:
    """Start the command below a supervisor; returns the supervisor's process id. home: the state directory of lab or cluster."""
    log = logs.directory(home) / f"{name}.log"
    script = _SCRIPT.replace("{bad}", str(BAD_SETTINGS)).replace("{most}", str(MOST))
    words = ["/bin/sh", "-c", script, f"leafspine-{home.name}", str(home / crashes.FILE), str(log), name, *command]
    return process.spawn(words, name=name, run_dir=home, env=env, log=log)


def below(home: Path, name: str, module: str) -> list[int]:
    """Processes that run `module` for this state directory, supervised or not. (What they started inherits their mark: only the command
    line tells.)"""
    wanted = f"{module}\0{home}\0".encode()
    found = []
    for pid in process.strays(home, name):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if wanted in line and not line.startswith(b"/bin/sh\0"):
                found.append(pid)
    return found


def stop(home: Path, name: str, timeout: float) -> None:
    """End supervisor and program."""
    process.stop(home, name, timeout)
