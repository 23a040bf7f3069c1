"""The bench's own arithmetic: which task and role took how long, which process is called what, and whose it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.tests.bench import bench, memory


def task(name: str, start: str, end: str | None) -> dict[str, object]:
    return {"task": {"name": name, "duration": {"start": f"2026-01-01T00:00:{start}Z", **({"end": f"2026-01-01T00:00:{end}Z"} if end else {})}}}


REPORT = {
    "plays": [
        {"tasks": [task("leafspine.calico.preflight : Examine", "00.0", "01.5"), task("Find out", "01.5", "02.0")]},
        {"tasks": [task("leafspine.calico.preflight : Examine", "03.0", "03.5"), task("cut off", "04.0", None)]},
    ]
}


def test_time_is_added_by_task_and_by_role() -> None:
    tasks = bench.task_seconds(REPORT)
    assert tasks == {"preflight : Examine": 2.0, "Find out": 0.5}
    assert bench.by_role(tasks) == {"preflight": 2.0, "(playbook)": 0.5}
    assert bench.task_seconds({}) == {}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/usr/lib/frr/bgpd", "-f", "x"], "bgpd"),
        (["/venv/bin/python", "-m", "engine.server", "/run/x"], "engine.server"),
        (["/usr/bin/python3.11", "-I", "/lib/nettool.py", "80"], "python3.11 nettool.py"),
        (["python3"], "python3"),
        (["sh", "-c", "x"], "sh"),
    ],
)
def test_a_process_is_named_by_what_it_runs(command: list[str], name: str) -> None:
    assert memory.name_of(command) == name


def test_processes_of_a_lab_are_found_by_their_folder_with_their_children_and_no_namesake_s(tmp_path: Path) -> None:
    script = tmp_path / "labs" / "bench-a" / "x"
    ours = subprocess.Popen(
        [sys.executable, "-c", "import subprocess; p = subprocess.Popen(['sleep', '20']); print(p.pid, flush=True); p.wait()", str(script)],
        stdout=subprocess.PIPE,
        text=True,
    )
    sleeping = "import time; print(1, flush=True); time.sleep(20)"
    other = subprocess.Popen([sys.executable, "-c", sleeping, str(tmp_path / "labs" / "bench-ab" / "x")], stdout=subprocess.PIPE)
    assert ours.stdout is not None
    assert other.stdout is not None
    child = int(ours.stdout.readline())
    other.stdout.readline()
    try:
        assert memory.processes("bench-a", "no-cluster") == sorted([ours.pid, child])
        assert os.getpid() not in memory.processes("bench-a", "no-cluster")
        weighed = memory.usage(ours.pid)
        assert 1 < weighed["pss_mb"] <= weighed["rss_mb"] < 200
    finally:
        os.kill(child, 9)
        for process in (ours, other):
            process.kill()
            process.wait()
    assert memory.processes("bench-a", "no-cluster") == []
