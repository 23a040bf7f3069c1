"""The lock of a lab host: held as long as somebody reads its holder's output, and never by a file that was left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import lab_lock

NOTE = {"token": "a", "who": "site.yml of me on here (process 1)", "since": "2026-11-25 12:00:00 UTC"}


def hold(path: Path, wait: float = 0, note: dict[str, Any] = NOTE) -> subprocess.Popen[bytes]:
    """A holder whose output this process reads."""
    command = lab_lock.holder_command(str(path), wait, note).replace("python3", sys.executable, 1)
    return subprocess.Popen(["sh", "-c", f"exec {command}"], stdout=subprocess.PIPE)


def until(test: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not test():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def release(holder: subprocess.Popen[bytes]) -> None:
    assert holder.stdout is not None
    holder.stdout.close()
    assert holder.wait(20) == 0


def test_it_is_held_until_its_reader_goes(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    holder = hold(path)
    until(lambda: lab_lock.holder(str(path)) == NOTE)
    assert path.stat().st_mode & 0o777 == 0o600
    release(holder)
    assert lab_lock.holder(str(path)) is None
    assert not path.exists()


def test_a_second_one_gives_up(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = hold(path)
    until(lambda: lab_lock.holder(str(path)) == NOTE)
    assert hold(path, 0.2, {"token": "b"}).wait(20) == 3
    assert lab_lock.holder(str(path)) == NOTE
    release(first)


def test_a_second_one_that_waits_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = hold(path)
    until(lambda: lab_lock.holder(str(path)) == NOTE)
    second = hold(path, 20, {"token": "b"})
    release(first)
    until(lambda: lab_lock.holder(str(path)) == {"token": "b"})
    release(second)
    assert not path.exists()


def test_a_killed_holder_leaves_a_file_that_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = hold(path)
    until(lambda: lab_lock.holder(str(path)) == NOTE)
    first.kill()
    first.wait()
    assert path.exists()
    assert lab_lock.holder(str(path)) is None
    second = hold(path, 0, {"token": "b"})
    until(lambda: lab_lock.holder(str(path)) == {"token": "b"})
    release(second)


@pytest.mark.parametrize(
    ("note", "text"),
    [(NOTE, "site.yml of me on here (process 1), since 2026-11-25 12:00:00 UTC"), ({}, "another run"), ({"who": "me"}, "me")],
    ids=["all", "nothing", "no time"],
)
def test_who_it_is(note: dict[str, Any], text: str) -> None:
    assert lab_lock.describe(note) == text


def test_a_file_with_nonsense_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = hold(path)
    until(lambda: lab_lock.holder(str(path)) == NOTE)
    path.write_text("[1, 2")
    assert lab_lock.holder(str(path)) == {}
    release(holder)
