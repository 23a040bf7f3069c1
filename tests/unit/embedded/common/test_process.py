"""Detached processes: started, recognised, ended; a reused process id is a stranger."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from leafspine_embedded.common import process


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 5
    while text not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.01)


def test_start_know_and_stop(tmp_path: Path) -> None:
    number = process.spawn(["sh", "-c", "echo hello $WHO; exec sleep 60"], name="p", run_dir=tmp_path, env={"WHO": "you"})
    assert process.alive(tmp_path, "p")
    assert process.pid(tmp_path, "p") == number
    wait_for(tmp_path / "p.log", "hello you")
    assert process.strays(tmp_path) == [number]
    assert os.getsid(number) == number
    process.stop(tmp_path, "p")
    assert not process.alive(tmp_path, "p")
    assert not (tmp_path / "p.pid").exists()
    assert process.strays(tmp_path) == []
    process.stop(tmp_path, "p")  # nothing there: no error


def test_a_process_that_ignores_term_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    process.spawn([sys.executable, "-c", code], name="p", run_dir=tmp_path)
    wait_for(tmp_path / "p.log", "ready")
    begin = time.monotonic()
    process.stop(tmp_path, "p", timeout=0.2)
    assert 0.2 <= time.monotonic() - begin < 2
    assert process.strays(tmp_path) == []


def test_an_ended_process_is_not_alive(tmp_path: Path) -> None:
    process.spawn(["true"], name="p", run_dir=tmp_path)
    deadline = time.monotonic() + 5
    while process.alive(tmp_path, "p"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stranger_with_the_same_id_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "p.pid").write_text(f"{os.getpid()} 1\n")
    assert process.pid(tmp_path, "p") is None
    process.stop(tmp_path, "p")  # would end this test run if it believed the id alone


@pytest.mark.parametrize("text", ["", "x y", "12", "1 2 3"])
def test_a_damaged_pid_file_means_not_running(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.pid").write_text(text)
    assert process.pid(tmp_path, "p") is None


def test_a_process_whose_pid_file_was_never_written_is_found(tmp_path: Path) -> None:
    number = process.spawn(["sleep", "60"], name="p", run_dir=tmp_path)
    (tmp_path / "p.pid").unlink()
    assert process.pid(tmp_path, "p") is None
    assert process.strays(tmp_path, "p") == [number]
    assert process.strays(tmp_path, "q") == []
    process.kill([number])
    assert process.strays(tmp_path) == []


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.spawn(["/nonexistent/program"], name="p", run_dir=tmp_path)
