"""Every failure of kind that was measured becomes a message of the module that says what was wrong and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import kind
from ansible_collections.leafspine.calico.plugins.modules import kind_cluster
from ansible_collections.leafspine.calico.tests.unit.plugins.modules.module_runner import FakeTool, run_module

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "module_kind.json").read_text())
CONFIG = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_the_module_fails_with_it(tmp_path: Path, row: dict[str, Any]) -> None:
    fake = FakeTool(tmp_path, "fake_kind.py")
    arguments = {"name": "lab", "kubeconfig": str(tmp_path / "lab" / "kubeconfig"), "executable": fake.executable, "config": CONFIG, "api_timeout": 0}
    if row["verb"] == "get kubeconfig":
        run_module(kind_cluster.main, arguments)
    before = fake.store
    fake.answers({"verb": row["verb"], "rc": 1, "stderr": row["stderr"]})
    failed = run_module(kind_cluster.main, arguments)
    assert failed["failed"] and failed["reason"] == row["reason"]
    assert row["says"] in failed["msg"] and row["hint"] in failed["msg"]
    assert failed["rc"] == 1 and failed["stderr"] == row["stderr"] and fake.store == before
    # It was a failure of this call only: the next run makes the cluster stand.
    assert "failed" not in run_module(kind_cluster.main, arguments) and fake.store["lab"]["nodes"] == ["lab-control-plane"]


def test_a_name_that_was_taken_is_not_deleted_by_the_next_run(tmp_path: Path) -> None:
    fake = FakeTool(tmp_path, "fake_kind.py")
    arguments = {"name": "lab", "kubeconfig": str(tmp_path / "lab" / "kubeconfig"), "executable": fake.executable, "config": CONFIG, "api_timeout": 0}
    # Somebody else creates a cluster of this name between our look and our creation.
    fake.answers({"verb": "create", "act": True, "rc": 1, "stderr": 'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "lab"'})
    assert run_module(kind_cluster.main, arguments)["reason"] == "name_taken"
    assert run_module(kind_cluster.main, arguments)["reason"] == "config_differs" and "lab" in fake.store


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        (None, ["lab-control-plane"]),
        (
            [{"role": "control-plane"}, {"role": "worker"}, {"role": "worker"}, {"role": "worker"}],
            ["lab-control-plane", "lab-worker", "lab-worker2", "lab-worker3"],
        ),
        ([{"role": "control-plane"}] * 2, ["lab-control-plane", "lab-control-plane2", "lab-external-load-balancer"]),
    ],
)
def test_nodes_are_named_as_kind_names_them(nodes: list[dict[str, str]] | None, names: list[str]) -> None:
    assert kind.node_names("lab", {"nodes": nodes} if nodes else {}) == names
