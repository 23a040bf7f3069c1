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
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import ENGINE, ROOT, Lab, Outcome, namespace_of
from ansible_collections.leafspine.calico.tests.integration.helpers.probe import probing
from ansible_collections.leafspine.calico.tests.integration.helpers.remote_host import RemoteHost

pytestmark = [pytest.mark.root, pytest.mark.soak]
MANAGEMENT = "172.29.72.0/24"
PASSWORD = "between-leaf-and-spine"
ROUTERS = ("spine0", "spine1", "leaf0", "leaf1")
MESH: dict[str, Any] = {"apiVersion": "projectcalico.org/v3", "kind": "BGPConfiguration", "metadata": {"name": "default"}}
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


def asked(source: str, target: str) -> str:
    """What one pod's server answers to another pod, "" for nothing."""
    command = ["ip", "netns", "exec", namespace_of(source), "curl", "-s", "-m", "2", f"http://{target}/json"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


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
            "vault_router_password": f"{{{{ lookup('ansible.builtin.file', '{racks.directory}/secrets/router_password') }}}}",
            "vault_bgp_password": PASSWORD,
            "vyos_fabric_confirm_minutes": 1,
        }
        (self.inventory / "group_vars" / "all" / "test.yml").write_text(yaml.safe_dump(given))
        (self.inventory / "host_vars").mkdir()
        for router, address in racks.addresses().items():
            (self.inventory / "host_vars" / f"{router}.yml").write_text(f"ansible_host: {address}\n")
        return self


class JumpHost(RemoteHost):
    """A machine in the racks' management network: the only one from which the inventory below takes a way to routers."""

    def connect_wire(self) -> None:
        gateway = MANAGEMENT.replace("0/24", "1")
        bridge = next(link["ifname"] for link in ip_json("address") if any(one.get("local") == gateway for one in link["addr_info"]))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        for command in (
            f"ip link add {self.wire} master {bridge} up type veth peer name eth0 netns {self.name}",
            f"ip -n {self.name} address add {self.address}/24 dev eth0",
            f"ip -n {self.name} link set dev eth0 up",
        ):
            subprocess.run(command.split(), check=True)


def ip_json(*arguments: str) -> Any:
    return json.loads(subprocess.run(["ip", "-j", *arguments], capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def racks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Racks]:
    """Bare racks, and a cluster on which Calico runs with its full mesh."""
    made = Racks("tr-racks", tmp_path_factory.mktemp("tr-racks"), octet=136, management=MANAGEMENT, bridge_prefix="tr-")
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
    made = Existing("tr-existing", tmp_path_factory.mktemp("tr-existing"), octet=136, management="192.0.2.0/24", bridge_prefix="tr-", changes=changes)
    return made.of(racks)


@pytest.fixture(scope="module")
def foreign(racks: Racks) -> tuple[str, ...]:
    """What somebody else has put on leaf0, and saved."""
    racks.cli("leaf0", "configure", *FOREIGN, "commit", "save", "exit")
    there = racks.configuration("leaf0")
    assert "set nat source rule 10 source address '192.168.50.0/24'" in there
    return tuple(line for line in there if "10.136.5.200" in line or "nat source rule 10 " in line)


@pytest.fixture(scope="module")
def app(existing: Existing, racks: Racks) -> dict[str, str]:
    """Addresses of pods by server, on a cluster that has its mesh only."""
    succeeded(existing.play("site", "--tags", "demo_app"))
    return racks.pods()


@pytest.fixture(scope="module")
def routers(existing: Existing, foreign: tuple[str, ...]) -> Outcome:
    """The routers from zero, one after the other."""
    return succeeded(existing.play("site", "--tags", "vyos_fabric"))


@pytest.fixture(scope="module")
def migrated(existing: Existing, routers: Outcome, app: dict[str, str]) -> dict[str, dict[str, float]]:
    """From the mesh to the leaves, while pods of one rack talk all the time: what the probe saw."""
    with probing(namespace_of(app["worker"]), namespace_of(app["control-plane"]), app["control-plane"]) as result:
        succeeded(existing.play("site", "--tags", "calico_bgp"))
    return {"rack": result}


# --- looking ahead -------------------------------------------------------------------------------------------------------------


def test_a_look_ahead_shows_every_line_and_pushes_none(existing: Existing, racks: Racks, foreign: tuple[str, ...]) -> None:
    before = racks.configuration("leaf0")
    ahead = succeeded(existing.play("site", "--check", "--diff"))
    assert {"leaf0", "leaf1", "spine0", "spine1"} <= {host for host, count in ahead.recap("changed").items() if count}
    shown = "\n".join(str(result.get("diff_text", "")) for host, _name, result in ahead.results() if host == "leaf0").splitlines()
    assert "+set protocols bgp neighbor 10.136.10.2 remote-as 500" in shown
    assert "+set protocols bgp neighbor 10.136.10.2 password ********" in shown
    assert not any(PASSWORD in line for line in ahead.text.splitlines())
    assert not any(line.startswith("-") and stranger in line for line in shown for stranger in ("10.136.5.200", "rule 10 "))
    assert racks.configuration("leaf0") == before


# --- routers -------------------------------------------------------------------------------------------------------------------


def test_routers_are_configured_from_zero_one_after_the_other(routers: Outcome) -> None:
    plays = [play["play"]["name"] for play in routers.report["plays"]]
    assert plays.count("BGP on leaves and spines") == len(ROUTERS)
    assert {host for host in ROUTERS if routers.recap("changed")[host]} == set(ROUTERS)


def test_a_foreign_neighbour_and_a_foreign_nat_rule_survive(racks: Racks, routers: Outcome, foreign: tuple[str, ...]) -> None:
    there = racks.configuration("leaf0")
    assert "set protocols bgp neighbor 10.136.10.2 remote-as '500'" in there
    assert "set nat source rule 7100 source address '10.136.0.0/16'" in there
    assert [line for line in foreign if line not in there] == []


def test_exact_mode_takes_away_what_is_stale_on_ours_and_nothing_beside(existing: Existing, racks: Racks, routers: Outcome, foreign: tuple[str, ...]) -> None:
    stray = "set interfaces ethernet eth1 address '10.136.99.1/24'"
    racks.cli("leaf0", "configure", stray, "commit", "save", "exit")
    assert stray in racks.configuration("leaf0")
    changes_nothing(existing.play("site", "--tags", "vyos_fabric", "--limit", "leaf0"))
    repaired = succeeded(existing.play("site", "--tags", "vyos_fabric", "--limit", "leaf0", "-e", "vyos_fabric_mode=exact"))
    assert repaired.recap("changed")["leaf0"] > 0
    there = racks.configuration("leaf0")
    assert stray not in there
    assert [line for line in foreign if line not in there] == []


# --- from the mesh to the leaves -----------------------------------------------------------------------------------------------


def test_the_end_of_the_mesh_cuts_nothing(migrated: dict[str, dict[str, float]], racks: Racks) -> None:
    """The twin, the mesh's end first, is the last test."""
    assert migrated["rack"]["sent"] > 3000
    assert migrated["rack"]["lost"] == 0, migrated
    assert "nodeToNodeMeshEnabled: false" in racks.tool("calicoctl", "get", "bgpconfig", "default", "-o", "yaml").stdout
    assert "localASNumber" not in racks.tool("calicoctl", "get", "bgppeer", "-o", "yaml").stdout


def test_racks_reach_each_other_by_the_fabric(migrated: dict[str, dict[str, float]], app: dict[str, str]) -> None:
    assert f'"ip": "{app["worker2"]}"' in asked(app["worker"], app["worker2"])


def test_the_second_run_changes_nothing(existing: Existing, migrated: dict[str, dict[str, float]]) -> None:
    again = existing.play("site")
    changes_nothing(again)
    built = {"Cluster", "One bridge a rack", "Routers and links", "Addresses and default routes of the servers"}
    assert not built & {name.rpartition(" : ")[2] for name in again.tasks()}


def test_a_jump_host_is_the_lab_host_and_the_way_to_the_routers(existing: Existing, migrated: dict[str, dict[str, float]], tmp_path: Path) -> None:
    """It sees no lab and no folder of this machine; without it no router is reached."""
    jump = JumpHost(tmp_path, name="tr-jump", address=MANAGEMENT.replace("0/24", "200"), hidden=(ROOT,))
    lab_host = existing.inventory / "host_vars" / "labhost.yml"
    jump.start()
    try:
        subprocess.run(["ssh-keyscan", "-p", "2222", jump.address], stdout=jump.known_hosts.open("w"), stderr=subprocess.DEVNULL, check=True)
        lab_host.write_text(yaml.safe_dump(jump.variables()))
        through = existing.play("site", "--tags", "vyos_fabric")
        changes_nothing(through)
        assert {host for host, name, _result in through.results() if "Read the running configuration" in name} == set(ROUTERS)
        subprocess.run(["ip", "link", "set", "dev", jump.wire, "down"], check=True)
        cut_off = existing.play("site", "--tags", "vyos_fabric")
        subprocess.run(["ip", "link", "set", "dev", jump.wire, "up"], check=True)
        assert cut_off.rc != 0
        assert any(failure.startswith("labhost: ") for failure in cut_off.failures()), str(cut_off)
    finally:
        lab_host.unlink(missing_ok=True)
        jump.stop()


# --- a push that must not stay -------------------------------------------------------------------------------------------------


def test_a_push_that_cuts_off_management_undoes_itself_and_ends_the_run(existing: Existing, racks: Racks, migrated: dict[str, dict[str, float]]) -> None:
    """A link gets the address of the lab host: the first router then keeps its answers to itself."""
    before = {router: racks.configuration(router) for router in ("spine0", "leaf0")}
    intended = existing.fabric()
    intended["racks"]["rack0"]["uplinks"]["leaf0"]["spine0"] = MANAGEMENT.replace("0/24", "0/31")
    path = existing.inventory / "fabric.yml"
    path.write_text(yaml.safe_dump(intended))
    try:
        refused = existing.play("site", "--tags", "vyos_fabric", "-e", "ansible_command_timeout=10")
    finally:
        path.write_text(yaml.safe_dump(existing.fabric()))
    assert refused.rc != 0
    failures = [failure for failure in refused.failures() if "goes back by itself" in failure]
    assert [failure.split(":")[0] for failure in failures] == ["spine0"], str(refused)
    assert not {host for host, _name, _result in refused.results()} & {"spine1", "leaf0", "leaf1"} - touched_before(refused)
    wait_for(lambda: racks.configuration("spine0") == before["spine0"], 120, "the router did not go back")
    assert racks.configuration("leaf0") == before["leaf0"]
    changes_nothing(existing.play("site", "--tags", "vyos_fabric"))


def touched_before(outcome: Outcome) -> set[str]:
    """Hosts of the plays before the routers'."""
    plays = [play for play in outcome.report["plays"] if play["play"]["name"] != "BGP on leaves and spines"]
    return {host for play in plays for task in play["tasks"] for host in task["hosts"]}


def test_a_router_with_changes_that_nobody_saved_is_refused(existing: Existing, racks: Racks, migrated: dict[str, dict[str, float]]) -> None:
    """Going back would lose them."""
    racks.cli("spine0", "configure", "set interfaces ethernet eth1 description unsaved", "commit", "exit")
    before = racks.configuration("spine0")
    refused = existing.play("site", "--tags", "vyos_fabric")
    racks.cli("spine0", "configure", "set interfaces ethernet eth1 description 'to leaf0 eth1'", "commit", "save", "exit")
    assert "set interfaces ethernet eth1 description 'unsaved'" in before
    assert [failure.split(":")[0] for failure in refused.failures() if "nobody saved" in failure] == ["spine0"], str(refused)
    assert "leaf0" not in refused.recap("failures") or refused.recap("failures")["leaf0"] == 0


def test_a_session_that_is_not_back_keeps_a_push_from_being_confirmed(existing: Existing, racks: Racks, migrated: dict[str, dict[str, float]]) -> None:
    """A rack's AS number cannot change on one router alone: the gate says which session is missing."""
    intended = existing.fabric()
    intended["racks"]["rack0"]["asn"] = 65105
    path = existing.inventory / "fabric.yml"
    path.write_text(yaml.safe_dump(intended))
    try:
        refused = existing.play("site", "--tags", "vyos_fabric", "-e", "vyos_fabric_gate_tries=2")
    finally:
        path.write_text(yaml.safe_dump(existing.fabric()))
    assert refused.rc != 0
    missing = "session with leaf0 (10.136.10.1): expected Established"
    assert [failure.split(":")[0] for failure in refused.failures() if missing in failure and "goes back by itself" in failure] == ["spine0"], str(refused)
    assert not any("bgp system-as '65105'" in line for line in racks.configuration("leaf0"))


# --- the twin ------------------------------------------------------------------------------------------------------------------


def test_the_mesh_s_end_first_loses_packets(racks: Racks, migrated: dict[str, dict[str, float]], app: dict[str, str]) -> None:
    """The detector of the migration's test can fail: back to the mesh, then its end before there is a peer."""
    names = [line.split()[0] for line in racks.tool("calicoctl", "get", "bgppeer").stdout.splitlines()[1:] if line.strip()]
    peers = [{"apiVersion": "projectcalico.org/v3", "kind": "BGPPeer", "metadata": {"name": name}} for name in names]
    racks.calico("apply", {**MESH, "spec": {"nodeToNodeMeshEnabled": True}})
    racks.calico("delete", *peers)
    wait_for(lambda: "Established" not in racks.cli("leaf0", "show bgp neighbors 10.136.5.11 | match state"), 30, "the peers are still there")
    wait_for(lambda: asked(app["worker"], app["control-plane"]) != "", 60, "the mesh does not come up")
    with probing(namespace_of(app["worker"]), namespace_of(app["control-plane"]), app["control-plane"]) as result:
        racks.calico("apply", {**MESH, "spec": {"nodeToNodeMeshEnabled": False}})
        time.sleep(3)
    assert result["lost"] > 1000, result


def test_destroy_takes_nothing_that_it_did_not_make(existing: Existing, racks: Racks, migrated: dict[str, dict[str, float]]) -> None:
    before = racks.configuration("leaf0")
    succeeded(existing.play("destroy"))
    assert not existing.directory.exists()
    assert racks.configuration("leaf0") == before
    assert racks.tool("kubectl", "get", "daemonset", "app").returncode == 0
