"""Files of a lab: whole or not at all, for root's eyes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import files
from ansible_collections.leafspine.calico.plugins.module_utils.files import read_text, write_atomic


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_file_is_none_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert read_text(str(tmp_path / "missing")) is None
    (tmp_path / "empty").touch()
    assert read_text(str(tmp_path / "empty")) == ""


def test_what_is_written_is_read_and_only_by_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_atomic(str(path), "grüß\n")
    assert read_text(str(path)) == "grüß\n"
    assert mode(path) == 0o600


def test_another_mode_when_asked_for(tmp_path: Path) -> None:
    write_atomic(str(tmp_path / "readable"), "x", mode=0o644)
    assert mode(tmp_path / "readable") == 0o644


def test_folders_that_are_made_are_private_all_the_way(tmp_path: Path) -> None:
    write_atomic(str(tmp_path / "lab" / "routers" / "leaf0" / "config.boot"), "x")
    assert [mode(tmp_path / name) for name in ("lab", "lab/routers", "lab/routers/leaf0")] == [0o700] * 3


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir(mode=0o750)
    write_atomic(str(tmp_path / "lab" / "x"), "x")
    assert mode(tmp_path / "lab") == 0o750


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a much longer old text")
    path.chmod(0o644)
    write_atomic(str(path), "new")
    assert path.read_text() == "new"
    assert mode(path) == 0o600


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def no_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomic(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]
