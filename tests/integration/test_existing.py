"""Racks and a cluster that exist already: a bare lab, whose routers have a management address and SSH and whose cluster has Calico's full mesh,
is configured by an inventory of the engine `existing`, which built none of it.

The tests run in the order of this file and share one lab. The inventory's management subnet is not the lab's: routers are found by their
``ansible_host`` alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ENGINE, ROOT, Lab, Outcome

pytestmark = pytest.mark.root
MANAGEMENT = "172.29.72.0/24"
MESH = {"apiVersion": "projectcalico.org/v3", "kind": "BGPConfiguration", "metadata": {"name": "default"}}
FOREIGN = (
    "set protocols bgp system-as 65005",
    "set protocols bgp neighbor 10.136.5.200 remote-as 64999",
    "set protocols bgp neighbor 10.136.5.200 address-family ipv4-unicast",
    "set nat source rule 10 outbound-interface name eth0",
    "set nat source rule 10 source address 192.168.50.0/24",
    "set nat source rule 10 translation address masquerade",
    "set interfaces ethernet eth3 description 'patch 17'",
)


def succeeded(outcome: Outcome) -> Outcome:
    assert outcome.rc == 0, str(outcome)
    return outcome


def changes_nothing(outcome: Outcome) -> None:
    succeeded(outcome)
    assert not outcome.changed(), "\n".join(outcome.changed())


class Racks(Lab):
    """What stands there: routers, links, servers and a cluster, made by the embedded engine and bare."""

    def cli(self, router: str, *lines: str) -> str:
        """Lines given to a router's command line over SSH, as a person types them."""
        askpass = self.folder / "askpass"
        askpass.write_text(f"#!/bin/sh\ncat {self.directory}/secrets/router_password\n")
        askpass.chmod(0o700)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "PubkeyAuthentication=no", "ConnectTimeout=5"]
        command = ["ssh", "-tt", *(word for option in options for word in ("-o", option)), f"vyos@{self.addresses()[router]}"]
        environment = os.environ | {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ""}
        given = "".join(f"{line}\n" for line in [*lines, "exit"])
        return subprocess.run(command, input=given, capture_output=True, text=True, env=environment, timeout=60, check=False).stdout

    def configuration(self, router: str) -> list[str]:
        return [line.strip() for line in self.cli(router, "show configuration commands | no-more").splitlines() if line.startswith("set ")]

    def addresses(self) -> dict[str, str]:
        """Management addresses, as the inventory plugin gives them by the devices' names."""
        prefix = MANAGEMENT.rsplit(".", 1)[0]
        return {"spine0": f"{prefix}.2", "spine1": f"{prefix}.3", "leaf0": f"{prefix}.128", "leaf1": f"{prefix}.129"}

    def calico(self, verb: str, *documents: dict[str, Any]) -> None:
        path = self.folder / "calico.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        done = self.tool("calicoctl", verb, "-f", str(path))
        assert done.returncode == 0, done.stderr + done.stdout

    def pods(self) -> dict[str, str]:
        """Addresses of the app's pods by server."""
        items = json.loads(self.tool("kubectl", "get", "pods", "-l", "app=app", "-o", "json").stdout)["items"]
        return {pod["spec"]["nodeName"].removeprefix(f"{self.name}-"): pod["status"]["podIP"] for pod in items}


class Existing(Lab):
    """The inventory `existing` of those racks."""

    def of(self, racks: Racks) -> Existing:
        shutil.rmtree(self.inventory / "group_vars")
        shutil.copytree(ROOT / "inventories" / "existing" / "group_vars", self.inventory / "group_vars")
        given = {
            "lab_tools_path": [str(ENGINE)],
            "lab_cluster_kubeconfig": str(racks.directory / "kubeconfig"),
            "lab_router_host_key_checking": False,
            "preflight_secrets_given": {"router_password": f"{{{{ lookup('ansible.builtin.file', '{racks.directory}/secrets/router_password') }}}}"},
            "vyos_fabric_confirm_minutes": 1,
        }
        (self.inventory / "group_vars" / "all" / "test.yml").write_text(yaml.safe_dump(given))
        (self.inventory / "host_vars").mkdir()
        for router, address in racks.addresses().items():
            (self.inventory / "host_vars" / f"{router}.yml").write_text(f"ansible_host: {address}\n")
        return self

    def with_fabric(self, **changes: Any) -> Path:
        """fabric.yml with further changes; the caller puts the former one back."""
        path = self.inventory / "fabric.yml"
        path.write_text(yaml.safe_dump(self.fabric() | changes))
        return path


@pytest.fixture(scope="module")
def racks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Racks]:
    """Bare racks, and a cluster on which Calico runs with its full mesh."""
    made = Racks("th-racks", tmp_path_factory.mktemp("th-racks"), octet=136, management=MANAGEMENT, bridge_prefix="th-")
    succeeded(made.play("destroy"))  # what a run that was cut off has left
    try:
        succeeded(made.play("site", "--tags", "preflight,kind_cluster,linux_bridges,containerlab", timeout=900))
        manifest = ENGINE.parent.parent / "embedded/src/leafspine_embedded/calico/calico.yaml"
        assert made.tool("kubectl", "apply", "-f", str(manifest)).returncode == 0
        yield made
    finally:
        made.play("destroy")


@pytest.fixture(scope="module")
def existing(racks: Racks, tmp_path_factory: pytest.TempPathFactory) -> Existing:
    changes = {"cluster": {"name": racks.name}, "nat": {"source": "10.136.0.0/16", "rule": 7100}}
    made = Existing("th-existing", tmp_path_factory.mktemp("th-existing"), octet=136, management="192.0.2.0/24", bridge_prefix="th-", changes=changes)
    return made.of(racks)


@pytest.fixture(scope="module")
def foreign(racks: Racks) -> tuple[str, ...]:
    """What somebody else has put on leaf0, and saved."""
    racks.cli("leaf0", "configure", *FOREIGN, "commit", "save", "exit")
    there = racks.configuration("leaf0")
    assert "set nat source rule 10 source address '192.168.50.0/24'" in there
    return tuple(line for line in there if "10.136.5.200" in line or "nat source rule 10 " in line)


@pytest.fixture(scope="module")
def configured(existing: Existing, racks: Racks, foreign: tuple[str, ...]) -> Existing:
    """From zero: routers, then the cluster from its mesh to its leaves, with pods of one rack talking all the time."""
    succeeded(existing.play("site", "--tags", "preflight,demo_app"))
    succeeded(existing.play("site", "--tags", "vyos_fabric"))
    return existing


# --- looking ahead -------------------------------------------------------------------------------------------------------------


def test_a_look_ahead_shows_every_line_and_pushes_none(existing: Existing, racks: Racks, foreign: tuple[str, ...]) -> None:
    before = racks.configuration("leaf0")
    ahead = succeeded(existing.play("site", "--check", "--diff"))
    assert {"leaf0", "leaf1", "spine0", "spine1"} <= {host for host, count in ahead.recap("changed").items() if count}
    shown = "\n".join(str(result.get("diff_text", "")) for host, _name, result in ahead.results() if host == "leaf0")
    assert "set protocols bgp neighbor 10.136.10.2 remote-as 500" in shown
    assert "encrypted-password ********" in shown or "encrypted-password" not in shown
    assert not [line for line in shown.splitlines() if line.startswith("-") and "10.136.5.200" in line]
    assert racks.configuration("leaf0") == before
