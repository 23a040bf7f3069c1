"""Module kind_cluster: nodes that were stopped are started, and images that no registry has are given to the nodes once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.modules import kind_cluster
from ansible_collections.leafspine.calico.tests.unit.plugins.modules.module_runner import FakeTool, run_module

CONFIG = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [{"role": "control-plane"}, {"role": "worker"}]}
NEW = 'Image: "leafspine/nettool:1" with ID "sha256:0430" not yet present on node "lab-worker", loading...\n'


@pytest.fixture
def fake(tmp_path: Path) -> FakeTool:
    return FakeTool(tmp_path, "fake_kind.py")


def run(fake: FakeTool, *, check: bool = False, **options: Any) -> dict[str, Any]:
    arguments = {"name": "lab", "kubeconfig": str(fake.folder / "lab" / "kubeconfig"), "executable": fake.executable, "api_timeout": 0}
    return run_module(kind_cluster.main, {**arguments, "config": CONFIG, **options}, check=check)


def loads(fake: FakeTool) -> list[list[str]]:
    return [call["argv"][1:] for call in fake.calls if call["argv"][0] == "load"]


def test_a_single_node_that_does_not_run_is_started(fake: FakeTool) -> None:
    stopped, started = fake.folder / "stopped", fake.folder / "started"
    look = ["sh", "-c", f"[ {{node}} != lab-worker ] || [ ! -e {stopped} ]"]
    start = ["sh", "-c", f"echo $* > {started}; rm {stopped}", "x", "{nodes}"]
    run(fake)
    stopped.touch()
    ahead = run(fake, check=True, node_exec=look, start_command=start)
    assert (ahead["action"], ahead["reasons"], started.exists()) == ("start", ["node lab-worker does not run"], False)
    assert run(fake, node_exec=look, start_command=start)["action"] == "start"
    assert started.read_text().split() == ["lab-control-plane", "lab-worker"]


def test_a_start_that_fails_names_the_node(fake: FakeTool) -> None:
    run(fake)
    failed = run(fake, node_exec=["false"], start_command=["sh", "-c", "echo no such container >&2; exit 1"])
    assert failed["reason"] == "not_started"
    assert "node lab-control-plane does not run; node lab-worker does not run, and start_command failed: no such container" in failed["msg"]


def test_an_image_is_given_to_the_nodes_and_counts_only_when_they_lacked_it(fake: FakeTool) -> None:
    fake.answers({"verb": "load docker-image", "rc": 0, "stderr": NEW}, {"verb": "load docker-image", "rc": 0, "stderr": ""})
    assert run(fake, load_images=["leafspine/nettool:1"])["loaded"] == ["leafspine/nettool:1"]
    second = run(fake, load_images=["leafspine/nettool:1"])
    assert (second["changed"], second["loaded"]) == (False, [])
    assert loads(fake) == [["docker-image", "leafspine/nettool:1", "--name", "lab"]] * 2


def test_an_image_that_the_host_does_not_have_is_a_failure_with_what_to_do(fake: FakeTool) -> None:
    fake.answers({"verb": "load docker-image", "rc": 1, "stderr": 'ERROR: image: "leafspine/nettool:1" not present locally\n'})
    failed = run(fake, load_images=["leafspine/nettool:1"])
    assert failed["reason"] == "image_not_local"
    assert "build it (images/)" in failed["msg"]


def test_an_archive_is_loaded_once_again_when_it_differs_and_by_a_new_cluster(fake: FakeTool, tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    archive.write_text("one")
    fake.answers(*[{"verb": "load image-archive", "rc": 0}] * 3)
    assert run(fake, load_archives=[str(archive)])["loaded"] == [str(archive)]
    assert run(fake, load_archives=[str(archive)])["changed"] is False
    archive.write_text("another")
    assert run(fake, load_archives=[str(archive)])["loaded"] == [str(archive)]
    assert run(fake, load_archives=[str(archive)], force_recreate=True)["loaded"] == [str(archive)]
    assert len(loads(fake)) == 3
    run(fake, state="absent")
    assert list((fake.folder / "lab").iterdir()) == []


def test_an_archive_that_is_not_there_is_named(fake: FakeTool) -> None:
    failed = run(fake, load_archives=["/no/such/app.tar"])
    assert (failed["reason"], "/no/such/app.tar" in failed["msg"]) == ("archive_missing", True)


def test_a_look_ahead_loads_nothing(fake: FakeTool) -> None:
    run(fake)
    run(fake, check=True, load_images=["leafspine/nettool:1"], load_archives=[sys.executable])
    assert loads(fake) == []
