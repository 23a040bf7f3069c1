"""Module lab_secrets: drawn once, kept for root only, never drawn again while kept."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from ansible_collections.leafspine.calico.plugins.modules import lab_secrets

LENGTHS = {"router_password": 24, "router_salt": 16}


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


def test_secrets_are_drawn_and_kept(run_module: Any, tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "secrets"
    result = run_module(lab_secrets, directory=str(folder), lengths=LENGTHS)
    assert result["changed"] is True
    assert result["secrets"] == files(folder)
    assert {name: len(value) for name, value in result["secrets"].items()} == LENGTHS
    assert set("".join(result["secrets"].values())) <= set(string.ascii_letters + string.digits)


def test_files_and_folders_are_for_their_owner_only(run_module: Any, tmp_path: Path) -> None:
    run_module(lab_secrets, directory=str(tmp_path / "lab" / "secrets"), lengths=LENGTHS)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"lab": 0o700, "secrets": 0o700, "router_password": 0o600, "router_salt": 0o600}


def test_what_is_kept_stays(run_module: Any, tmp_path: Path) -> None:
    first = run_module(lab_secrets, directory=str(tmp_path / "s"), lengths=LENGTHS)
    second = run_module(lab_secrets, directory=str(tmp_path / "s"), lengths=LENGTHS)
    assert second["changed"] is False
    assert second["secrets"] == first["secrets"]


def test_a_secret_that_others_may_read_is_closed_again(run_module: Any, tmp_path: Path) -> None:
    kept = run_module(lab_secrets, directory=str(tmp_path / "s"), lengths=LENGTHS)
    open_one = tmp_path / "s" / "router_salt"
    open_one.chmod(0o644)
    ahead = run_module(lab_secrets, check=True, directory=str(tmp_path / "s"), lengths=LENGTHS)
    assert (ahead["changed"], open_one.stat().st_mode & 0o777) == (True, 0o644)
    mended = run_module(lab_secrets, directory=str(tmp_path / "s"), lengths=LENGTHS)
    assert (mended["changed"], mended["secrets"], open_one.stat().st_mode & 0o777) == (True, kept["secrets"], 0o600)


def test_only_what_is_missing_or_empty_is_drawn(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "router_password").write_text("given")
    (tmp_path / "s" / "router_salt").touch()
    result = run_module(lab_secrets, directory=str(tmp_path / "s"), lengths=LENGTHS)
    assert result["changed"] is True
    assert result["secrets"]["router_password"] == "given"
    assert len(result["secrets"]["router_salt"]) == 16


def test_two_labs_and_two_secrets_of_one_length_differ(run_module: Any, tmp_path: Path) -> None:
    drawn = [run_module(lab_secrets, directory=str(tmp_path / lab), lengths={"a": 24, "b": 24})["secrets"] for lab in ("x", "y")]
    assert len({value for secrets in drawn for value in secrets.values()}) == 4


def test_check_mode_hands_out_secrets_and_keeps_none(run_module: Any, tmp_path: Path) -> None:
    result = run_module(lab_secrets, check=True, directory=str(tmp_path / "lab" / "s"), lengths=LENGTHS)
    assert result["changed"] is True
    assert len(result["secrets"]["router_password"]) == 24
    assert list(tmp_path.iterdir()) == []


def test_check_mode_on_kept_secrets_is_no_change(run_module: Any, tmp_path: Path) -> None:
    kept = run_module(lab_secrets, directory=str(tmp_path / "s"), lengths=LENGTHS)
    ahead = run_module(lab_secrets, check=True, directory=str(tmp_path / "s"), lengths=LENGTHS)
    assert (ahead["changed"], ahead["secrets"]) == (False, kept["secrets"])


def test_a_folder_that_cannot_be_is_a_failure_that_names_it(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run_module(lab_secrets, directory=str(tmp_path / "file" / "s"), lengths=LENGTHS)
    assert result["failed"]
    assert str(tmp_path / "file" / "s") in result["msg"]
