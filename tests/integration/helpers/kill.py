"""Runs that are killed at a random moment: playbooks and the programs they call, with SIGKILL, alone or with everything they started."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

from ansible_collections.leafspine.calico.tests.integration.helpers.lab import Lab

PROGRAMS = ("kind", "containerlab", "calicoctl", "leafspine_embedded.kind.revive")


def descendants(pid: int) -> list[int]:
    """All processes below one, deepest last."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def drop_in(pid: int) -> tuple[int, str] | None:
    """A drop-in that runs somewhere below a process, with its name."""
    for child in descendants(pid):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace").split("\0")
            name = next((os.path.basename(word) for word in words[:4] if os.path.basename(word) in PROGRAMS), None)
            if name is not None and "python" in words[0]:
                return child, name
    return None


def killed_run(lab: Lab, chance: random.Random, longest: float = 25.0) -> str:
    """Start site or destroy and kill it, all of it, or the drop-in that it is calling, at a random moment; what was done, in words."""
    # A running lab is first taken apart at times, so that building is what is killed.
    if chance.random() < 0.5:
        lab.play("destroy")
    playbook = chance.choice(["site", "site", "site", "destroy"])
    how = chance.choice(["playbook", "everything", "drop-in", "drop-in"])
    moment = chance.uniform(0.5, longest if playbook == "site" else longest / 4)
    run = lab.start(playbook)
    end = time.monotonic() + moment
    while time.monotonic() < end and run.poll() is None:
        time.sleep(0.05)
    what = how
    if run.poll() is not None:
        return f"{playbook} ended before {moment:.1f} s"
    if how == "drop-in":
        # From that moment on, the first one that runs; a few hundredths of a second into it.
        while (found := drop_in(run.pid)) is None and run.poll() is None:
            time.sleep(0.01)
        if found is not None:
            time.sleep(chance.uniform(0, 1.0))
            with contextlib.suppress(ProcessLookupError):
                os.kill(found[0], signal.SIGKILL)
            what = found[1]
            run.wait(600)
    if how == "everything":
        run.send_signal(signal.SIGSTOP)
        for child in descendants(run.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
    run.kill()
    run.wait()
    lab.wait_unlocked()
    return f"{playbook}: {what} killed after {moment:.1f} s"
