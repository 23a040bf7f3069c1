"""The engine's Calico manifest on a cluster of the kind drop-in, with real kubectl and the calicoctl drop-in as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import leafspine_embedded
import pytest
from leafspine_embedded.calico import manifest

pytestmark = pytest.mark.root

NAME, LEAF = "td-cluster", "td-cluster-leaf"
NODES = {f"{NAME}-control-plane": "10.130.5.10", f"{NAME}-worker": "10.130.5.11"}
KIND = """
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {disableDefaultCNI: true, podSubnet: 10.130.128.0/17, serviceSubnet: 10.130.96.0/20}
nodes:
  - {role: control-plane, kubeadmConfigPatches: ["kind: InitConfiguration\\nnodeRegistration: {kubeletExtraArgs: {node-ip: 10.130.5.10}}\\n"]}
  - {role: worker, kubeadmConfigPatches: ["kind: JoinConfiguration\\nnodeRegistration: {kubeletExtraArgs: {node-ip: 10.130.5.11}}\\n"]}
"""


class Cluster:
    """Commands against the test's cluster."""

    def __init__(self, directory: Path) -> None:
        source = str(Path(leafspine_embedded.__file__).parents[1])
        self.kubeconfig = directory / "kubeconfig"
        self.env = {
            **os.environ,
            "PYTHONPATH": source,
            "LEAFSPINE_RUN": str(directory / "run"),
            "KUBECONFIG": str(self.kubeconfig),
            "DATASTORE_TYPE": "kubernetes",
        }

    def run(self, *argv: str, stdin: str | None = None, timeout: float = 60) -> str:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False, env=self.env)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def kind(self, *words: str, stdin: str | None = None) -> str:
        return self.run(sys.executable, "-m", "leafspine_embedded.kind.cli", *words, stdin=stdin)

    def calicoctl(self, *words: str, netns: str = "", stdin: str | None = None) -> str:
        prefix = ["ip", "netns", "exec", netns] if netns else []
        return self.run(*prefix, sys.executable, "-m", "leafspine_embedded.calicoctl.cli", *words, stdin=stdin)

    def kubectl(self, *words: str, stdin: str | None = None) -> Any:
        text = self.run("kubectl", *words, stdin=stdin)
        return json.loads(text) if words[-1] == "json" else text


def until(check: Callable[[], Any], what: str, timeout: float = 20.0) -> Any:
    deadline = time.monotonic() + timeout
    while not (value := check()):
        assert time.monotonic() < deadline, f"{what} did not come within {timeout:g} s"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("c")
    # BIRD runs as a user of its own, which must be able to pass the folders above its configuration.
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o711)
    found = Cluster(folder)
    try:
        found.kind("create", "cluster", "--name", NAME, "--config", "-", stdin=KIND)
        found.run("ip", "netns", "add", LEAF)
        found.run("ip", "-n", LEAF, "link", "add", "eth3", "type", "bridge")
        found.run("ip", "-n", LEAF, "addr", "add", "10.130.5.1/24", "dev", "eth3")
        found.run("ip", "-n", LEAF, "link", "set", "eth3", "up")
        for i, (node, address) in enumerate(NODES.items()):
            found.run("ip", "link", "add", f"tdp{i}", "netns", LEAF, "type", "veth", "peer", "name", "net0", "netns", node)
            found.run("ip", "-n", LEAF, "link", "set", f"tdp{i}", "master", "eth3", "up")
            found.run("ip", "-n", node, "addr", "add", f"{address}/24", "dev", "net0")
            found.run("ip", "-n", node, "link", "set", "net0", "up")
        found.kubectl("apply", "-f", str(manifest.PATH))
        yield found
    finally:
        subprocess.run(["ip", "netns", "del", LEAF], check=False, capture_output=True)
        found.kind("delete", "cluster", "--name", NAME)


def ready(cluster: Cluster) -> dict[str, str]:
    nodes = cluster.kubectl("get", "nodes", "-o", "json")["items"]
    return {n["metadata"]["name"]: next((c["status"] for c in n["status"]["conditions"] if c["type"] == "Ready"), "") for n in nodes}


def test_the_manifest_makes_the_nodes_ready_with_their_rack_addresses(cluster: Cluster) -> None:
    until(lambda: ready(cluster) == dict.fromkeys(NODES, "True"), "ready nodes")
    nodes = json.loads(cluster.calicoctl("get", "nodes", "-o", "json"))["items"]
    assert {n["metadata"]["name"]: n["spec"]["bgp"]["ipv4Address"] for n in nodes} == {name: f"{address}/24" for name, address in NODES.items()}
    pods = cluster.kubectl("-n", "kube-system", "get", "pods", "-l", "k8s-app=calico-node", "-o", "json")["items"]
    assert {p["spec"]["nodeName"]: p["status"]["podIP"] for p in pods} == NODES


def test_the_mesh_shows_in_node_status_and_in_a_table(cluster: Cluster) -> None:
    worker, other = f"{NAME}-worker", NODES[f"{NAME}-control-plane"]
    row = f"| {other}  | node-to-node mesh | up    |"
    text = until(lambda: next((t for t in [cluster.calicoctl("node", "status", netns=worker)] if row in t), ""), "the session")
    assert text.startswith("Calico process is running.\n\nIPv4 BGP status\n+--------------+")
    assert text.endswith("\nIPv6 BGP status\nNo IPv6 peers found.\n\n")
    outside = subprocess.run(
        [sys.executable, "-m", "leafspine_embedded.calicoctl.cli", "node", "status"], capture_output=True, text=True, check=False, env=cluster.env, timeout=20
    )
    assert (outside.returncode, outside.stdout, outside.stderr) == (1, "", "Calico process is not running.\n")


def test_the_schemas_refuse_what_calico_does_not_know(cluster: Cluster) -> None:
    peer = {"apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer", "metadata": {"name": "p"}, "spec": {"asNumber": "many"}}
    done = subprocess.run(["kubectl", "apply", "-f", "-"], input=json.dumps(peer), capture_output=True, text=True, check=False, env=cluster.env, timeout=20)
    assert done.returncode != 0
    assert "spec.asNumber" in done.stderr


def test_a_deleted_calico_node_comes_back_without_losing_the_nodes(cluster: Cluster) -> None:
    until(lambda: ready(cluster) == dict.fromkeys(NODES, "True"), "ready nodes")

    def names() -> set[str]:
        items = cluster.kubectl("-n", "kube-system", "get", "pods", "-l", "k8s-app=calico-node", "-o", "json")["items"]
        return {p["metadata"]["name"] for p in items if p["status"].get("phase") == "Running" and "deletionTimestamp" not in p["metadata"]}

    before = until(lambda: n if len(n := names()) == 2 else None, "two pods")
    cluster.kubectl("-n", "kube-system", "delete", "pod", "-l", "k8s-app=calico-node", "--wait=false")
    until(lambda: len(names() - before) == 2, "two new pods")
    assert ready(cluster) == dict.fromkeys(NODES, "True")
    until(lambda: "up    |" in cluster.calicoctl("node", "status", netns=f"{NAME}-worker"), "the session after the restart")
