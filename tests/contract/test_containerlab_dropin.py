"""The drop-in's answers against the rows of the containerlab contract."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from leafspine_embedded.common import netns
from leafspine_embedded.containerlab import cli, listing, plan, record, topology
from leafspine_embedded.containerlab.record import Record

ROWS = yaml.safe_load((Path(__file__).parent / "data" / "containerlab_dropin.yaml").read_text())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty engine, a directory with the good topology; the checks need no rights of root."""
    monkeypatch.setenv("LEAFSPINE_RUN", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "config.boot").write_text("")
    (tmp_path / "t.clab.yml").write_text(ROWS["good"])
    return tmp_path


@pytest.mark.parametrize("row", ROWS["errors"], ids=lambda row: row["case"])
def test_errors(place: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any]) -> None:
    text = ROWS["good"]
    for old, new in (row["replace"], row.get("and", ["", ""])):
        assert old in text
        text = text.replace(old, new, 1)
    (place / "t.clab.yml").write_text(text)
    assert cli.main(["validate", "-t", "t.clab.yml"]) == (1 if row["validate"] else 0)
    captured = capsys.readouterr()
    assert (row["text"] in captured.err) == row["validate"]
    assert cli.main(["deploy", "-t", "t.clab.yml", "--dry-run"]) == 1
    captured = capsys.readouterr()
    assert row["text"] in captured.err
    assert captured.out == ""
    assert not (place / "run").exists()


def test_a_good_file_is_valid_and_undeployed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate"]) == 0  # the one *.clab.yml here
    assert cli.main(["deploy", "-t", "t.clab.yml", "--dry-run", "-f", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["dry-run"], answer["deployed-lab"], answer["lab-name"]) == (True, True, "tb-contract")


def test_no_change_is_the_measured_answer() -> None:
    assert plan.Plan().as_json("x") == ROWS["no_change"]


def test_inspect_all_of_nothing_is_an_empty_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "--all", "--format", "json"]) == 0
    assert capsys.readouterr().out == "{}\n"


def test_inspect_of_what_is_not_deployed_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "-t", "t.clab.yml", "--format", "json"]) == 1
    captured = capsys.readouterr()
    assert "Failed to list containers based on topology: could not get container for node" in captured.err
    assert captured.out == ""


def test_inspect_rows_have_the_measured_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    lab: Record = record.wanted(topology.load("t.clab.yml"), None)
    for built in lab.nodes.values():
        built.inode = 1
        built.router = False
    monkeypatch.setattr(netns, "exists", lambda name: True)
    rows = listing.nodes(lab)
    assert [list(row) for row in rows] == [ROWS["inspect_keys"]] * 2
    assert rows[0]["name"] == "clab-tb-contract-a"
    assert rows[0]["ipv4_address"] == "172.29.99.2/24"
    assert rows[0]["absLabPath"] == str(Path("t.clab.yml").resolve())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["deploy", "-t", "t.clab.yml", "--node-filter", "a"], "--node-filter is not supported by the embedded containerlab"),
        (["deploy", "--graph"], "--graph is not supported"),
        (["destroy", "-t", "t.clab.yml", "--keep-mgmt-net"], "--keep-mgmt-net is not supported"),
        (["graph", "-t", "t.clab.yml"], "invalid choice: 'graph'"),
        (["deploy", "-t", "absent.yml"], "failed to read topology file"),
        (["deploy", "-t", "t.clab.yml", "--timeout", "soon"], "invalid duration 'soon'"),
        (["deploy", "-t", "t.clab.yml", "--name", "other"], 'is not the name in the topology file ("tb-contract")'),
        (["--log-level", "loud", "version"], 'unknown log level "loud"'),
        (["-r", "podman", "version"], 'container runtime "podman" is not supported'),
        (["deploy", "-t", "t.clab.yml", "--wrong"], "unrecognized arguments: --wrong"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    assert cli.main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("Error: ")
    assert text in captured.err
    assert captured.out == ""


def test_global_flags_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--log-level", "error", "-t", "t.clab.yml", "validate"], ["validate", "-t", "t.clab.yml", "--log-level", "error"]):
        assert cli.main(arguments) == 0
        assert capsys.readouterr().err == ""
    assert cli.main(["version"]) == 0
    assert "version: 0.79.0" in capsys.readouterr().out


def test_destroy_of_nothing_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["-t", "t.clab.yml", "--cleanup"], ["--name", "tb-contract"], ["--all"]):
        assert cli.main(["destroy", *arguments]) == 0


@pytest.mark.parametrize(("text", "seconds"), [("2m0s", 120), ("90s", 90), ("1h", 3600), ("1.5s", 1.5), ("500ms", 0.5)])
def test_durations(text: str, seconds: float) -> None:
    from leafspine_embedded.containerlab.options import duration

    assert duration(text) == seconds
