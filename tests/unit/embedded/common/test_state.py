"""State on disk: names cannot leave the directory, writes are whole, a lock says who holds it and survives its file's deletion."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from leafspine_embedded.common import state
from leafspine_embedded.common.errors import EngineError


@pytest.fixture(autouse=True)
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAFSPINE_RUN", str(tmp_path / "run"))
    return tmp_path / "run"


def test_directories_follow_the_environment(own_root: Path) -> None:
    assert state.lab_dir("tb-a") == own_root / "labs" / "tb-a"
    assert state.cluster_dir("tb-c") == own_root / "clusters" / "tb-c"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "-x", "a" * 64])
def test_names_that_could_leave_the_directory_are_refused(name: str) -> None:
    with pytest.raises(EngineError, match="cannot name"):
        state.lab_dir(name)


def test_list_labs_shows_half_built_ones(own_root: Path) -> None:
    assert state.list_labs() == []
    state.ensure_dir(state.lab_dir("tb-b"))
    state.ensure_dir(state.lab_dir("tb-a"))
    assert state.list_labs() == ["tb-a", "tb-b"]
    assert (own_root / "labs").stat().st_mode & 0o777 == 0o711


def test_write_atomic_replaces_and_sets_mode(tmp_path: Path) -> None:
    target = tmp_path / "f"
    state.write_atomic(target, "one")
    state.write_atomic(target, "two", mode=0o640)
    assert target.read_text() == "two"
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["f"]


def test_write_atomic_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "f"
    state.write_atomic(target, "one")
    with pytest.raises(UnicodeEncodeError):
        state.write_atomic(target, "\udc80")
    assert target.read_text() == "one"
    assert os.listdir(tmp_path) == ["f"]


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "l"
    code = (
        "import sys; from pathlib import Path; from leafspine_embedded.common.state import lock\n"
        f"with lock(Path({str(path)!r})):\n print('in', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "embedded/src"})
    assert holder.stdin is not None and holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"in\n"
        with pytest.raises(state.LockHeld, match=f"process {holder.pid} "), state.lock(path, wait=0.1):
            pytest.fail("two holders")
    finally:
        holder.kill()  # the kernel drops the lock of a killed holder
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()
    with state.lock(path, wait=0.5):
        pass


def test_a_waiter_does_not_lock_a_deleted_file(tmp_path: Path) -> None:
    path = tmp_path / "l"
    got: list[bool] = []

    def second() -> None:
        with state.lock(path, wait=5):
            got.append(path.exists())

    with state.lock(path):
        thread = threading.Thread(target=second)
        thread.start()
        path.unlink()
    thread.join(5)
    assert got == [True]
