"""Where logs are, and that they stay small while a daemon writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from leafspine_embedded.common import logs


def test_by_default_they_are_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    folder = logs.directory(tmp_path)
    assert folder == tmp_path / "log"
    assert folder.is_dir() and not folder.is_symlink()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_variable_puts_labs_and_clusters_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, str(tmp_path / "all"))
    for kind in ("labs", "clusters"):
        (tmp_path / kind / "x").mkdir(parents=True)
        (logs.directory(tmp_path / kind / "x") / "a.log").write_text("hello\n")
    assert sorted(str(path.relative_to(tmp_path / "all")) for path in (tmp_path / "all").rglob("*.log")) == ["cluster/a.log", "routers/a.log"]
    # Later calls find it without the variable; a folder that somebody removed is made again.
    monkeypatch.delenv(logs.VARIABLE)
    assert (logs.directory(tmp_path / "labs" / "x") / "a.log").read_text() == "hello\n"
    logs.remove(tmp_path / "labs" / "x")
    assert (tmp_path / "all" / "cluster" / "a.log").exists()
    logs.remove(tmp_path / "clusters" / "x")
    assert not (tmp_path / "all").exists()


def test_a_relative_path_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, "here")
    assert not logs.directory(tmp_path).is_symlink()


def test_a_writer_goes_on_after_rotation(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    (tmp_path / "small.log").write_text("small\n")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for round_ in range(4):
            os.write(descriptor, f"{round_}\n".encode() * 100)
            assert logs.rotate(tmp_path, limit=50, keep=2) == ["a.log"]
        os.write(descriptor, b"new\n")
    finally:
        os.close(descriptor)
    assert log.read_text() == "new\n"
    assert (tmp_path / "a.1.log").read_text() == "3\n" * 100
    assert (tmp_path / "a.2.log").read_text() == "2\n" * 100
    assert not (tmp_path / "a.3.log").exists()
    assert (tmp_path / "small.log").read_text() == "small\n"
    assert logs.rotate(tmp_path, limit=50, keep=2) == []


def test_tail(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one\n\ntwo\n  three  \n\n")
    assert logs.tail(tmp_path / "a.log", 2) == ["two", "three"]
    assert logs.tail(tmp_path / "none.log") == []
