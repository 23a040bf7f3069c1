"""The lab host of scenario remote, another machine made of namespaces: ``machine.py start FOLDER``, ``machine.py stop FOLDER``.

FOLDER holds its key, its log and the id of the process that keeps it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration" / "helpers"))

from remote_host import RemoteHost

PATIENCE = 30.0


def serve(folder: Path) -> int:
    """Keeps the machine until this process is told to end."""
    host = RemoteHost(folder, name="mo-host", address="10.180.250.2", gateway="10.180.250.1", hidden=(ROOT,))
    told = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    try:
        host.start()
        (folder / "ready").touch()
        signal.sigwait(told)
    finally:
        host.stop()
    return 0


def start(folder: Path) -> int:
    """Returns when the machine accepts SSH; 1 with its log when it does not."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen([sys.executable, __file__, "serve", str(folder)], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    (folder / "pid").write_text(str(keeper.pid))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and keeper.poll() is None:
        if (folder / "ready").exists():
            return 0
        time.sleep(0.1)
    print((folder / "keeper.log").read_text(errors="replace"), file=sys.stderr)
    return 1


def stop(folder: Path) -> int:
    """No error when it does not run; the folder goes with it."""
    try:
        pid = int((folder / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return 0
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}/cwd").exists():
        if time.monotonic() > deadline:
            print(f"process {pid} does not end", file=sys.stderr)
            return 1
        time.sleep(0.05)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    verb, where = sys.argv[1:]
    sys.exit({"serve": serve, "start": start, "stop": stop}[verb](Path(where)))
