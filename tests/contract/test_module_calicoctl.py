"""Every failure of calicoctl that was measured becomes a message of the module that says what was wrong and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import calicoctl_errors
from ansible_collections.leafspine.calico.plugins.modules import calicoctl
from ansible_collections.leafspine.calico.tests.unit.plugins.modules.module_runner import FakeTool, run_module

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "module_calicoctl.json").read_text())
PEER = {"kind": "BGPPeer", "metadata": {"name": "rack0"}, "spec": {"peerIP": "10.1.5.1", "asNumber": 65005}}
LIVE = {**PEER, "metadata": {"name": "rack0", "resourceVersion": "5"}}
# The task whose run makes the module give this call.
TASKS: dict[str, dict[str, Any]] = {
    "get": {"resources": [PEER]},
    "apply": {"resources": [{**PEER, "metadata": {"name": "new"}}]},
    "patch": {"state": "patched", "kind": "BGPPeer", "name": "rack0", "patch": {"spec": {"asNumber": 1}}},
    "delete": {"state": "absent", "kind": "BGPPeer", "name": "rack0"},
}
FAILING = [row for row in ROWS if not row.get("absent")]


def answer(row: dict[str, Any]) -> dict[str, Any]:
    return {"verb": row["verb"], "rc": 1, "stdout": row.get("stdout", ""), "stderr": row.get("stderr", "")}


@pytest.fixture
def fake(tmp_path: Path) -> FakeTool:
    tool = FakeTool(tmp_path, "fake_calicoctl.py")
    tool.store = {"BGPPeer/rack0": LIVE}
    return tool


@pytest.mark.parametrize("row", FAILING, ids=lambda row: row["id"])
def test_the_text_is_understood(row: dict[str, Any]) -> None:
    found = calicoctl_errors.meaning(row.get("stdout", ""), row.get("stderr", ""))
    assert (found.reason, row["says"] in found.error, row["hint"] in found.hint) == (row["reason"], True, True), found
    assert not calicoctl_errors.only_not_found(row.get("stderr", "")) or row["reason"] in ("not_found", "node_missing")
    assert calicoctl_errors.partial(row.get("stdout", "")) == (
        tuple(row["partial"]) if "partial" in row else (1, 1) if row["id"] == "replace missing" else None
    )


@pytest.mark.parametrize("row", [row for row in FAILING if row["verb"] in TASKS], ids=lambda row: row["id"])
def test_the_module_fails_with_it(fake: FakeTool, row: dict[str, Any]) -> None:
    fake.answers(*[answer(row)] * row.get("times", 1))
    before = fake.store
    failed = run_module(calicoctl.main, {"executable": fake.executable, **TASKS[row["verb"]]})
    assert failed["failed"] and failed["reason"] == row["reason"]
    assert row["says"] in failed["msg"] and row["hint"] in failed["msg"]
    assert failed["rc"] == 1 and failed["stderr"] == row.get("stderr", "") and failed["stdout"] == row.get("stdout", "")
    assert fake.store == before
    if row["verb"] != "get":
        told = failed["unknown"] if row.get("unknown") else failed["not_applied"]
        assert told == [f"BGPPeer({'new' if row['verb'] == 'apply' else 'rack0'})"] and failed["applied"] == [] and not failed["changed"]


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("absent")], ids=lambda row: row["id"])
def test_a_resource_that_does_not_exist_is_no_failure_of_get(fake: FakeTool, row: dict[str, Any]) -> None:
    fake.answers(answer(row))
    result = run_module(calicoctl.main, {"executable": fake.executable, "state": "query", "kind": "BGPPeer", "name": "nope"})
    assert "failed" not in result and result["resources"] == []


def test_a_missing_resource_beside_another_error_is_a_failure(fake: FakeTool) -> None:
    stderr = "resource does not exist: BGPPeer(nope) with error: <nil>\nconnection is unauthorized: Unauthorized"
    fake.answers({"verb": "get", "rc": 1, "stdout": "null", "stderr": stderr})
    failed = run_module(calicoctl.main, {"executable": fake.executable, "resources": [PEER]})
    assert failed["reason"] == "forbidden"


def test_missing_custom_resource_definitions_are_not_taken_for_a_missing_resource(fake: FakeTool) -> None:
    stderr = "resource does not exist: BGPPeer(nope) with error: the server could not find the requested resource (get bgppeers.crd.projectcalico.org nope)"
    fake.answers({"verb": "get", "rc": 1, "stdout": "null", "stderr": stderr})
    failed = run_module(calicoctl.main, {"executable": fake.executable, "resources": [PEER]})
    assert failed["reason"] == "crds_missing" and "manifest" in failed["msg"]


def test_an_output_that_is_not_json_is_told(fake: FakeTool) -> None:
    fake.answers({"verb": "get", "rc": 0, "stdout": "NAME\nrack0\n"})
    failed = run_module(calicoctl.main, {"executable": fake.executable, "resources": [PEER]})
    assert failed["reason"] == "bad_output" and failed["stdout"] == "NAME\nrack0\n"
