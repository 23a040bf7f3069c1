"""Module containerlab against every measured plan, listing and error text."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.leafspine.calico.plugins.module_utils.containerlab import HINTS, hint_for
from ansible_collections.leafspine.calico.plugins.modules import containerlab

HERE = Path(__file__).parent
ROWS: dict[str, Any] = yaml.safe_load((HERE / "data" / "containerlab.yaml").read_text())
DEPLOYED = ROWS["inspections"][0]["document"]
NOTHING = ROWS["plans"][0]["plan"]
BOOT = "system { host-name leaf0 }\n"


def rows(key: str) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in ROWS[key]]


class Host:
    """A lab folder and a containerlab beside it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.directory = folder / "lab"
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copy(HERE / "fake_containerlab.py", self.bin / "containerlab")
        # The interpreter that runs the tests, not one that env finds.
        script = (self.bin / "containerlab").read_text().splitlines()[1:]
        (self.bin / "containerlab").write_text("\n".join([f"#!{sys.executable}", *script, ""]))
        (self.bin / "containerlab").chmod(0o755)
        self.scene(plan=NOTHING, inspect=DEPLOYED)

    def scene(self, **scene: Any) -> None:
        (self.folder / "scene.json").write_text(json.dumps(scene))

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def verbs(self) -> list[str]:
        return ["plan" if "--dry-run" in words else words[0] for words in self.calls]

    def forget(self) -> None:
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def run(self, *, check: bool = False, path: str | None = None, **params: Any) -> dict[str, Any]:
        """Run the module up to the JSON that it prints."""
        given: dict[str, Any] = {"name": "lab", "directory": str(self.directory), "topology": "name: lab\n"} | params
        self.capsys.readouterr()
        environment = {"PATH": path or f"{self.bin}:{os.environ['PATH']}", "FAKE_CONTAINERLAB": str(self.folder)}
        arguments = {**given, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch.dict(os.environ, environment), patch_module_args(arguments), pytest.raises(SystemExit):
            containerlab.main()
        result = json.loads(self.capsys.readouterr().out)
        assert isinstance(result, dict)
        return result

    def files(self) -> dict[str, str]:
        return (
            {str(path.relative_to(self.directory)): path.read_text() for path in self.directory.rglob("*") if path.is_file()} if self.directory.exists() else {}
        )


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


@pytest.mark.parametrize("row", rows("plans"))
def test_exactly_the_work_of_the_plan_is_done(host: Host, row: dict[str, Any]) -> None:
    host.run()
    host.forget()
    host.scene(plan=row["plan"], inspect=DEPLOYED)
    result = host.run()
    assert result["plan"] == row["work"]
    assert result["changed"] is bool(row["work"])
    assert host.verbs() == ["plan", *(["deploy"] if row["work"] else []), "inspect"]


@pytest.mark.parametrize("row", rows("plans"))
def test_check_mode_reports_the_same_work_and_does_none(host: Host, row: dict[str, Any]) -> None:
    host.run()
    before = host.files()
    host.forget()
    host.scene(plan=row["plan"], inspect=DEPLOYED)
    result = host.run(check=True)
    assert (result["plan"], result["changed"]) == (row["work"], bool(row["work"]))
    assert host.verbs() == ["plan"]
    assert host.files() == before


@pytest.mark.parametrize("row", rows("inspections"))
def test_containers_are_those_of_the_lab(host: Host, row: dict[str, Any]) -> None:
    host.scene(plan=NOTHING, inspect=row["document"])
    result = host.run()
    if row["running"]:
        assert sorted(result["containers"]) == row["running"]
    else:
        assert result["failed"]
        assert result["msg"].startswith("lab lab: containerlab inspect lists no container after deploy")


@pytest.mark.parametrize("row", rows("errors"))
@pytest.mark.parametrize("verb", ["plan", "deploy"])
def test_an_error_is_passed_on_with_what_to_do(host: Host, row: dict[str, Any], verb: str) -> None:
    host.scene(plan=ROWS["plans"][2]["plan"], inspect={}, after=DEPLOYED, fail={verb: row["text"]})
    result = host.run()
    assert result["failed"]
    assert row["text"].rstrip(".") in result["msg"]
    assert result["rc"] == 1
    assert row["text"] in result["stderr"]
    assert row["hint"] in result["hint"]
    assert result["msg"].endswith(result["hint"])


def test_every_hint_of_the_module_has_a_measured_text() -> None:
    """Docker's own refusals are the only ones that containerlab does not word."""
    texts = [row["text"] for row in [*ROWS["errors"], ROWS["hanging"]]]
    texts.append("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")
    texts.append("Error response from daemon: failed to create shim task: OCI runtime create failed: unable to apply caps: operation not permitted: unknown")
    texts.append("Error response from daemon: pull access denied for leafspine/router, repository does not exist or may require docker login")
    assert {hint_for(text) for text in texts} - {""} == {hint for _pattern, hint in HINTS}


def test_a_deploy_that_does_not_end_is_stopped_with_what_it_waits_for(host: Host) -> None:
    host.scene(plan=ROWS["plans"][2]["plan"], inspect={}, hang={"deploy": ROWS["hanging"]["text"]})
    result = host.run(timeout=2)
    assert result["failed"]
    assert "did not end within 2 s" in result["msg"]
    assert 'external container "ghost"' in result["msg"]
    assert ROWS["hanging"]["hint"] in result["msg"]


@pytest.mark.parametrize("row", rows("destroys"))
def test_destroy_cleans_up_only_what_runs(host: Host, row: dict[str, Any]) -> None:
    host.run(boot_configs={"leaf0": BOOT})
    host.forget()
    host.scene(plan=NOTHING, inspect=DEPLOYED if row["running"] else {})
    ahead = host.run(check=True, state="absent")
    assert host.verbs() == ["inspect"]
    assert host.files() != {}
    host.forget()
    result = host.run(state="absent")
    assert ahead["changed"] is result["changed"] is True
    assert host.calls[0][0] == "inspect"
    assert [word.removeprefix(f"{host.directory}/") for word in host.calls[1]] == row["words"]
    assert host.files() == {}
    assert host.run(state="absent")["changed"] is False


def test_destroy_of_a_lab_without_its_topology_is_refused(host: Host) -> None:
    result = host.run(state="absent")
    assert result["failed"]
    assert "topology file" in result["msg"]
    assert host.verbs() == ["inspect"]
    host.scene(plan=NOTHING, inspect=ROWS["inspections"][2]["document"])
    assert host.run(state="absent")["changed"] is False


def test_a_failing_destroy_keeps_the_files(host: Host) -> None:
    host.run()
    host.scene(plan=NOTHING, inspect=DEPLOYED, fail={"destroy": "device busy"})
    result = host.run(state="absent")
    assert result["failed"]
    assert "device busy" in result["msg"]
    assert "clab.yml" in host.files()


# --- first run, files, boot configurations ----------------------------------------------------------------------------------


def test_without_containerlab_a_look_ahead_is_a_change_and_a_run_says_what_to_do(host: Host) -> None:
    ahead = host.run(check=True, path="/usr/bin:/bin")
    assert (ahead["changed"], ahead["plan"]) == (True, {"deployed-lab": ["lab"]})
    real = host.run(path="/usr/bin:/bin")
    assert real["failed"]
    assert "executable containerlab was not found" in real["msg"]
    assert host.files() == {}


def test_a_look_ahead_at_nothing_writes_nothing_and_asks_for_no_plan(host: Host) -> None:
    host.scene(plan=None, inspect={})
    result = host.run(check=True, boot_configs={"leaf0": BOOT})
    assert (result["changed"], result["plan"]) == (True, {"deployed-lab": ["lab"]})
    assert host.verbs() == ["inspect"]
    assert not host.directory.exists()


def test_a_look_ahead_at_a_changed_topology_plans_with_a_copy(host: Host) -> None:
    host.run()
    host.forget()
    result = host.run(check=True, topology="name: lab\n# more\n")
    assert result["changed"] is True
    assert host.files()["clab.yml"] == "name: lab\n"
    assert host.calls[0][2] != str(host.directory / "clab.yml")
    assert not Path(host.calls[0][2]).exists()


def test_a_boot_configuration_is_written_once_and_the_router_s_own_save_stays(host: Host) -> None:
    first = host.run(boot_configs={"leaf0": BOOT})
    assert first["changed"] is True
    boot = host.directory / "routers" / "leaf0" / "config.boot"
    assert boot.stat().st_mode & 0o777 == 0o600
    boot.write_text("saved by the router\n")
    second = host.run(boot_configs={"leaf0": BOOT})
    assert second["changed"] is False
    assert boot.read_text() == "saved by the router\n"


@pytest.mark.parametrize("how", ["another text", "file gone"])
def test_a_boot_configuration_is_written_anew_when_it_has_to_be(host: Host, how: str) -> None:
    host.run(boot_configs={"leaf0": BOOT, "leaf1": BOOT})
    boot = host.directory / "routers" / "leaf0" / "config.boot"
    text = "system { host-name two }\n" if how == "another text" else BOOT
    if how == "file gone":
        boot.unlink()
    ahead = host.run(check=True, boot_configs={"leaf0": text, "leaf1": BOOT})
    assert (ahead["changed"], ahead["plan"]) == (True, {"recreated-nodes": ["leaf0"]})
    assert host.run(boot_configs={"leaf0": text, "leaf1": BOOT})["changed"] is True
    assert boot.read_text() == text


def test_no_secret_is_in_the_diff(host: Host) -> None:
    result = host.run(boot_configs={"leaf0": 'encrypted-password "$6$salt$hash"\nhost-name leaf0\n'})
    assert "host-name leaf0" in json.dumps(result["diff"])
    assert "$6$" not in json.dumps(result)


def test_a_router_that_does_not_run_after_the_deploy_is_named(host: Host) -> None:
    stopped = {"lab": [{**DEPLOYED["lab"][0]}, {**DEPLOYED["lab"][1], "state": "exited"}]}
    host.scene(plan=NOTHING, inspect=stopped)
    result = host.run()
    assert result["failed"]
    assert "clab-lab-leaf1 not running" in result["msg"]
    assert "clab-lab-leaf0" not in result["msg"]


def test_ready_is_waited_for_and_what_stays_silent_is_named(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        silent = f"127.0.0.1:{other.getsockname()[1]}"
        assert "failed" not in host.run(ready=[place], ready_timeout=5)
        other.close()
        result = host.run(ready=[place, silent], ready_timeout=0)
    assert result["failed"]
    assert f"no connection to {silent} within 0 s" in result["msg"]


@pytest.mark.parametrize("document", ["", "Usage: containerlab"], ids=["nothing", "words"])
def test_output_that_is_no_json_is_a_failure_not_a_traceback(host: Host, document: str) -> None:
    (host.bin / "containerlab").write_text(f"#!/bin/sh\necho '{document}'\n")
    result = host.run()
    assert result["failed"]
    assert "no JSON in containerlab's output" in result["msg"]
