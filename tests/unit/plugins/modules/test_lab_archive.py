"""Module lab_archive: texts, commands and files in one archive; what fails is told in it."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path
from typing import Any

from ansible_collections.leafspine.calico.plugins.modules import lab_archive


def collected(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read().decode() for entry in tar}  # type: ignore[union-attr]


def test_everything_is_in_it(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "password").write_text("Geheimnis")
    (tmp_path / "a.log").write_text("one Geheimnis two")
    commands = {
        "host/good": [sys.executable, "-c", "print('Geheimnis out')"],
        "host/bad": [sys.executable, "-c", "import sys; print('broken'); sys.exit(3)"],
        "host/missing": ["/no/such/program"],
    }
    options = {"path": str(tmp_path / "x" / "c.tar.gz"), "name": "th", "secrets": str(tmp_path / "secrets")}
    result = run_module(lab_archive, texts={"leaf0/bgp": "table"}, commands=commands, paths=[str(tmp_path / "a.log")], **options)
    assert result["changed"] is False
    assert sorted(result["contents"]) == sorted(["leaf0/bgp", *commands, f"files{tmp_path}/a.log"])
    found = collected(tmp_path / "x" / "c.tar.gz")
    assert found["th/host/good"] == "******** out\n"
    assert found["th/host/bad"] == "broken\n[exit code 3]\n"
    assert "No such file" in found["th/host/missing"]
    assert found[f"th/files{tmp_path}/a.log"] == "one ******** two"


def test_nothing_is_made_in_check_mode(run_module: Any, tmp_path: Path) -> None:
    assert run_module(lab_archive, path=str(tmp_path / "c"), name="th", secrets=str(tmp_path), check=True)["contents"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_is_an_error(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file/c.tar.gz" in run_module(lab_archive, path=str(tmp_path / "file" / "c.tar.gz"), name="th", secrets=str(tmp_path / "s"))["msg"]
