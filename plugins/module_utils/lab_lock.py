"""The lock that keeps two runs off one lab: who holds it, and the program that holds it on the lab host.

The lock is the kernel's (flock(2)) on a file of the lab host. A process there holds it for as long as the ansible-playbook that asked for it lives: its
standard output is a pipe (or a terminal, over SSH) to that machine, and goes with it however it ends. A file that nobody holds means nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from typing import Any

# Runs on the lab host. Arguments: path, seconds to wait, what to write into the file. Exit code 3: somebody else holds it.
HOLDER = """
import fcntl, os, select, signal, sys, time
path, wait, note = sys.argv[1:4]
try:
    os.setsid()  # what ends its asker must not end it before it has tidied up
except OSError:
    pass
end = time.monotonic() + float(wait)
os.makedirs(os.path.dirname(path), exist_ok=True)
while True:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_ino == os.stat(path).st_ino:
            break
    except BlockingIOError:
        if time.monotonic() > end:
            sys.exit(3)
        time.sleep(0.1)
    except FileNotFoundError:
        pass
    os.close(file)
def release(*_):
    os.unlink(path)
    os._exit(0)
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
    signal.signal(number, release)
os.ftruncate(file, 0)
os.write(file, note.encode())
reader = select.poll()
reader.register(1, 0)
while not reader.poll():
    pass
release()
"""


def holder_command(path: str, wait: float, note: dict[str, Any]) -> str:
    """The shell command that takes the lock within ``wait`` seconds and holds it until nobody reads its output any more."""
    return shlex.join(["python3", "-c", HOLDER, path, f"{wait:g}", json.dumps(note)])


def holder(path: str) -> dict[str, Any] | None:
    """What the holder wrote into the file; None when nobody holds the lock. A holder that has not written yet is ``{}``."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _note(os.pread(file, 4096, 0))
        return None
    finally:
        os.close(file)


def _note(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def describe(note: dict[str, Any]) -> str:
    """Who it is, for a message."""
    who = note.get("who") or "another run"
    return f"{who}, since {note['since']}" if note.get("since") else str(who)
