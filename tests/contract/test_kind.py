"""The kind drop-in against what the real tool was measured to do: the rows are in data/kind.yaml. None of them makes a namespace."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from leafspine_embedded.kind.config import parse

ROWS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "data" / "kind.yaml").read_text())
SOURCE = Path(__file__).parents[2] / "embedded" / "src"


def record_cluster(root: Path, name: str) -> None:
    """A cluster as `kind create` writes it down before it makes anything."""
    directory = root / "clusters" / name
    directory.mkdir(parents=True)
    common = {"node_ip": "", "labels": {}, "pod_cidr": "10.244.0.0/24", "taints": []}
    nodes = [
        {"name": f"{name}-{suffix}", "role": suffix, "eth0_address": f"172.18.0.{index + 2}", **common}
        for index, suffix in enumerate(("control-plane", "worker"))
    ]
    settings = {"name": name, "pod_subnet": "10.244.0.0/16", "service_subnet": "10.96.0.0/16", "default_cni": False, "kube_proxy": True, "version": "v1.34.4"}
    (directory / "cluster.json").write_text(json.dumps({**settings, "nodes": nodes}))
    (directory / "network.json").write_text(json.dumps({"bridge": "kind-none", "subnet": "172.18.0.0/16"}))


def kind(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LEAFSPINE_RUN": str(root), "PYTHONPATH": str(SOURCE), "HOME": str(root), "KUBECONFIG": str(root / "kubeconfig")}
    environment.pop("KIND_CLUSTER_NAME", None)
    return subprocess.run(
        [sys.executable, "-m", "leafspine_embedded.kind.cli", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_the_drop_in_answers_as_the_real_tool(row: dict[str, Any], tmp_path: Path) -> None:
    root = tmp_path / "run"
    if "exists" in row:
        record_cluster(root, row["exists"])
    before = sorted(str(path) for path in root.rglob("*"))
    file = tmp_path / "kind.yml"
    file.write_text(row.get("config", ""))
    done = kind(root, *(str(file) if word == "FILE" else word for word in row["argv"]))
    assert done.returncode == row["rc"], done.stderr
    if "stdout_matches" in row:
        assert re.search(row["stdout_matches"], done.stdout)
    else:
        assert done.stdout == row.get("stdout", "")
    if "stderr_has" in row:
        position = 0
        for part in row["stderr_has"]:
            position = done.stderr.index(part, position)
    else:
        assert done.stderr == row.get("stderr", "")
    left = [path for path in (str(path) for path in root.rglob("*")) if not path.endswith("/.lock")]
    assert sorted(left) == before


HEAD = """kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {disableDefaultCNI: true}
nodes:
- role: control-plane
  kubeadmConfigPatches:
  - |
"""


def patched(patch: str) -> str:
    return HEAD + "".join(f"      {line}\n" for line in patch.strip().splitlines())


MAP = 'kind: InitConfiguration\nnodeRegistration:\n  kubeletExtraArgs: {node-ip: "10.1.5.10", node-labels: "rack=rack0"}'
LIST = "kind: InitConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\nnodeRegistration:\n  kubeletExtraArgs: [{name: node-ip, value: 10.1.5.10}]"


def test_the_map_form_of_kubeletextraargs_works() -> None:
    node = parse(patched(MAP)).nodes[0]
    assert node.node_ip == "10.1.5.10" and dict(node.labels) == {"rack": "rack0"}


def test_the_v1beta4_list_is_silently_ignored_below_1_36_and_works_from_there_on() -> None:
    node = parse(patched(LIST)).nodes[0]
    assert node.node_ip == "" and node.labels == ()
    assert parse(patched(LIST), image="kindest/node:v1.36.0").nodes[0].node_ip == "10.1.5.10"


def test_the_taint_of_the_control_plane_follows_the_version() -> None:
    assert parse(patched(MAP)).nodes[0].taints == (("node-role.kubernetes.io/control-plane", "", "NoSchedule"),)
    assert parse(patched(MAP), image="kindest/node:v1.23.4").nodes[0].taints == (("node-role.kubernetes.io/master", "", "NoSchedule"),)
