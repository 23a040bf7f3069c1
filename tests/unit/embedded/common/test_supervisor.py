"""The shell that starts a program again: deaths are written down, there is an end to it, and it can be told to stop."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from leafspine_embedded.common import crashes, logs, process, supervisor


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    # The pauses of a real supervisor, shortened.
    monkeypatch.setattr(supervisor, "_SCRIPT", supervisor._SCRIPT.replace('sleep "$pause"', "sleep 0.05"))
    yield tmp_path
    process.kill(process.strays(tmp_path), 1.0)


def until(test: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not test():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(home: Path, program: str) -> int:
    return supervisor.start([sys.executable, "-c", program, str(home)], name="it", home=home, env={})


def test_a_program_that_always_fails_is_given_up(home: Path) -> None:
    pid = start(home, 'print("why it failed", flush=True); raise SystemExit(3)')
    until(lambda: process.start_time(pid) is None)
    found = crashes.read(home)
    assert [entry["restarts"] for entry in found] == [*range(1, supervisor.MOST + 1), supervisor.MOST]
    assert [entry["gave_up"] for entry in found] == [False] * supervisor.MOST + [True]
    assert found[0]["reason"] == "ended with exit code 3; its log: why it failed"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[0]["time"])
    assert "not started again" in "".join(logs.tail(home / "log" / "it.log"))


def test_a_killed_program_comes_back_and_ends_with_its_supervisor(home: Path) -> None:
    pid = start(home, "import time; print('up', flush=True); time.sleep(60)")
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until(lambda: logs.tail(home / "log" / "it.log") == ["up"])
    first = int(children.read_text())
    os.kill(first, signal.SIGKILL)
    until(lambda: children.read_text().strip() not in ("", str(first)) and len(logs.tail(home / "log" / "it.log", 9)) >= 3)
    assert "killed by SIGKILL" in crashes.read(home)[0]["reason"]
    supervisor.stop(home, "it", 5.0)
    assert process.strays(home) == []


def test_files_that_make_no_sense_end_it_at_once(home: Path) -> None:
    pid = start(home, f"raise SystemExit({supervisor.BAD_SETTINGS})")
    until(lambda: process.start_time(pid) is None)
    assert [entry["gave_up"] for entry in crashes.read(home)] == [True]
