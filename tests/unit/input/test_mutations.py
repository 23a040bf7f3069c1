"""Whatever somebody writes into a file or an option: it is taken and works, or it is refused in words. Never a traceback.

Each kind of input is mutated ROUNDS times from a seed. A refusal is the program's own exception with a text that is not empty; any other
exception is the failure of the test, with the input's number.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils.intent import load
from ansible_collections.leafspine.calico.plugins.modules import calicoctl as calicoctl_module
from ansible_collections.leafspine.calico.plugins.modules import containerlab as containerlab_module
from ansible_collections.leafspine.calico.plugins.modules import kind_cluster, lab_host, linux_bridge, node_network, probes
from leafspine_embedded.calicoctl import cli as calicoctl
from leafspine_embedded.common.errors import EngineError
from leafspine_embedded.containerlab import topology
from leafspine_embedded.kind import config as kind_config
from leafspine_embedded.vyos import render, transport
from leafspine_embedded.vyos.model import CommitError
from leafspine_embedded.vyos.schema import PathError
from leafspine_embedded.vyos.tree import Tree, TreeError
from leafspine_embedded.vyos.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "plugins" / "modules"))
from module_runner import run_module
from mutate import documents, texts

ROUNDS = 400
ROOT = Path(__file__).resolve().parents[3]
FABRIC = yaml.safe_load((ROOT / "inventories/embedded/fabric.yml").read_text())


def counted(accepted: int, refused: int) -> None:
    """The mutations are worth something: most are refused, some still are right."""
    assert refused > ROUNDS / 4, (accepted, refused)
    assert accepted > 0, (accepted, refused)


def test_fabric_files() -> None:
    accepted = refused = 0
    for number, document in enumerate(documents(FABRIC, ROUNDS, seed=1)):
        intent, problems = load(yaml.safe_dump(document))
        if intent is None:
            refused += 1
            assert problems and all(str(problem).strip() for problem in problems), number
        else:
            accepted += 1
            assert not problems, number
            json.dumps(intent)
            for router in intent["routers"]:
                assert router["management"]["address"], number
    counted(accepted, refused)


KIND = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "name": "lab",
    "networking": {"disableDefaultCNI": True, "podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/16"},
    "nodes": [
        {
            "role": role,
            "image": "kindest/node:v1.34.4",
            "labels": {"zone": "a"},
            "kubeadmConfigPatches": [
                f'kind: {kind}\nnodeRegistration:\n  kubeletExtraArgs:\n    node-ip: "10.1.5.1{number}"\n    node-labels: "rack=rack0"\n',
            ],
        }
        for number, (role, kind) in enumerate([("control-plane", "InitConfiguration"), ("worker", "JoinConfiguration")])
    ],
}


def judged(inputs: Any, take: Callable[[Any], object], refusals: tuple[type[Exception], ...]) -> None:
    accepted = refused = 0
    for number, given in enumerate(inputs):
        try:
            take(given)
            accepted += 1
        except refusals as error:
            refused += 1
            assert str(error).strip() or getattr(error, "lines", None), (number, given)
        except Exception as error:
            raise AssertionError(f"number {number}: {given!r}: {type(error).__name__}: {error}") from error
    counted(accepted, refused)


def test_kind_configurations() -> None:
    judged(documents(KIND, ROUNDS, seed=2), lambda document: kind_config.parse(yaml.safe_dump(document)), (EngineError,))


def test_kind_configurations_as_text() -> None:
    judged(texts(yaml.safe_dump(KIND), ROUNDS, seed=3), kind_config.parse, (EngineError,))


def clab(directory: Path) -> dict[str, Any]:
    (directory / "config.boot").write_text("")
    return {
        "name": "tb-unit",
        "prefix": "clab",
        "mgmt": {"network": "tb-unit", "bridge": "tb-unit", "ipv4-subnet": "172.29.5.0/24", "ipv4-gw": "172.29.5.1", "mtu": 1500},
        "topology": {
            "defaults": {"labels": {"a": "b"}},
            "kinds": {"linux": {"image": "vyos:1.4"}},
            "nodes": {
                "leaf0": {
                    "kind": "linux",
                    "cmd": "/sbin/init",
                    "mgmt-ipv4": "172.29.5.2",
                    "binds": ["config.boot:/opt/vyatta/etc/config/config.boot"],
                    "env": {"A": "b"},
                    "exec": ["true"],
                },
                "br-leaf0": {"kind": "bridge"},
                "tb-worker": {"kind": "ext-container"},
            },
            "links": [{"endpoints": ["leaf0:eth3", "br-leaf0:br-leaf0-net2"], "mtu": 1500}, {"endpoints": ["br-leaf0:x", "tb-worker:net0"]}],
        },
    }


def test_topology_files(tmp_path: Path) -> None:
    def take(document: Any) -> None:
        topology.parse(yaml.safe_dump(document, sort_keys=False), given="clab.yml", file=tmp_path / "clab.yml")

    judged(documents(clab(tmp_path), ROUNDS, seed=4), take, (EngineError,))


def test_topology_files_as_text(tmp_path: Path) -> None:
    text = yaml.safe_dump(clab(tmp_path), sort_keys=False)
    judged(texts(text, ROUNDS, seed=5), lambda given: topology.parse(given, given="clab.yml", file=tmp_path / "clab.yml"), (EngineError,))


BOOT = (ROOT / "tests/contract/data/vyos/boot.txt").read_text()


def test_boot_configurations() -> None:
    """As a router takes one at its start: read, typed, checked, rendered."""

    def take(text: str) -> None:
        tree = transport.typed(Tree.parse(text))
        verify(tree, Tree(), interfaces={"eth0", "eth1", "eth2", "eth3"})
        render.frr_config(tree)
        render.nft_ruleset(tree)
        render.kernel_plan(tree)

    take(BOOT)
    judged(texts(BOOT, ROUNDS, seed=6), take, (TreeError, PathError, CommitError))


RESOURCES = [
    {
        "apiVersion": "projectcalico.org/v3",
        "kind": "BGPConfiguration",
        "metadata": {"name": "default"},
        "spec": {"nodeToNodeMeshEnabled": False, "asNumber": 64512},
    },
    {
        "apiVersion": "projectcalico.org/v3",
        "kind": "BGPPeer",
        "metadata": {"name": "rack0-to-leaf0"},
        "spec": {"peerIP": "10.1.5.1", "asNumber": 65005, "nodeSelector": "rack == 'rack0'"},
    },
    {
        "apiVersion": "projectcalico.org/v3",
        "kind": "IPPool",
        "metadata": {"name": "default-ipv4-ippool"},
        "spec": {"cidr": "10.244.0.0/16", "ipipMode": "Never", "natOutgoing": True, "blockSize": 26},
    },
    {
        "apiVersion": "projectcalico.org/v3",
        "kind": "Node",
        "metadata": {"name": "worker", "labels": {"rack": "rack0"}},
        "spec": {"bgp": {"asNumber": 65005, "ipv4Address": "10.1.5.11/24"}},
    },
]


def test_calico_resources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`calicoctl validate`, which checks as apply does and needs no cluster."""
    file = tmp_path / "resources.yml"
    codes = []
    for number, document in enumerate(documents(RESOURCES, ROUNDS, seed=7)):
        file.write_text(yaml.safe_dump_all(document if isinstance(document, list) else [document]))
        try:
            codes.append(calicoctl.main(["validate", "-f", str(file)]))
        except Exception as error:
            raise AssertionError(f"number {number}: {document!r}: {type(error).__name__}: {error}") from error
        out = capsys.readouterr()
        assert codes[-1] == 0 or (out.out + out.err).strip(), number
        assert "Traceback" not in out.err
    counted(codes.count(0), len(codes) - codes.count(0))


MODULES: dict[str, tuple[Callable[[], None], dict[str, Any]]] = {
    "linux_bridge": (linux_bridge.main, {"bridges": [{"name": "br-leaf0", "mtu": 1500}], "owner": "lab", "firewall_accept": "auto", "state": "present"}),
    "node_network": (
        node_network.main,
        {
            "nodes": [{"node": "w", "interface": "net0", "address": "10.1.5.11", "prefix_length": 24, "gateway": "10.1.5.1"}],
            "exec": ["false", "{node}"],
            "record": "/nonexistent/folder/record.json",
        },
    ),
    "kind_cluster": (
        kind_cluster.main,
        {"name": "lab", "config": KIND, "kubeconfig": "/nonexistent/kubeconfig", "image": "x", "executable": ["/bin/false"], "environment": {"A": "b"}},
    ),
    "containerlab": (
        containerlab_module.main,
        {
            "name": "lab",
            "directory": "/nonexistent/lab",
            "executable": "/bin/false",
            "topology": "name: lab\n",
            "boot_configs": {"leaf0": "x"},
            "ready": ["192.0.2.1:22"],
        },
    ),
    "calicoctl": (calicoctl_module.main, {"resources": RESOURCES, "executable": ["/bin/false"], "kubeconfig": "/nonexistent/kubeconfig"}),
    "probes": (
        probes.main,
        {"probes": [{"name": "a", "node": "w", "command": ["true"]}], "node_exec": ["false"], "kubeconfig": "/nonexistent/kubeconfig", "objects": []},
    ),
    "lab_host": (
        lab_host.main,
        {
            "directory": "/nonexistent/lab",
            "environment": "/nonexistent/venv",
            "kubeconfig": "/nonexistent/kubeconfig",
            "subnets": [{"subnet": "192.0.2.0/24", "purpose": "management_subnet"}],
            "routers": {"leaf0": "192.0.2.3:22"},
            "limits": {"kernel.pid_max": 100},
            "connect_timeout": 0.01,
        },
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_module_arguments(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In check mode, so that what is accepted does nothing; a module ends with a result or with a message, whatever it is given."""
    main, arguments = MODULES[name]
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    refused = 0
    for number, given in enumerate(documents(arguments, 60, seed=8)):
        try:
            json.dumps(given)
        except TypeError:
            continue
        try:
            result = run_module(main, given, check=True)
        except Exception as error:
            raise AssertionError(f"number {number}: {given!r}: {type(error).__name__}: {error}") from error
        if result.get("failed"):
            refused += 1
            assert str(result["msg"]).strip(), number
    assert refused > 0
