"""The modules that touch the lab host, on a real one: what they make, that a look ahead makes nothing, that nothing is left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.modules import lab_host, linux_bridge, node_network
from ansible_collections.leafspine.calico.tests.integration.helpers import snapshot
from ansible_collections.leafspine.calico.tests.unit.plugins.modules.module_runner import run_module

pytestmark = pytest.mark.root
Since = Callable[[], list[str]]
BRIDGES = [{"name": "br-tg0", "mtu": 1400}, {"name": "br-tg1"}]
FILTER_SWITCH = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def run(command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command.split(), capture_output=True, text=True, check=check, timeout=30)


def bridges(
    state: str = "present", *, check: bool = False, accept: str = "auto", owner: str = "tg-host", names: list[dict[str, Any]] = BRIDGES
) -> dict[str, Any]:
    arguments = {"bridges": names, "owner": owner, "state": state, "firewall_accept": accept}
    return run_module(linux_bridge.main, arguments, check=check)


def link(name: str) -> dict[str, Any]:
    return dict(json.loads(run(f"ip -j -d address show dev {name}").stdout)[0])


@pytest.fixture
def no_bridges() -> Iterator[None]:
    yield
    bridges("absent", accept="always")


# --- linux_bridge ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_bridges")
def test_bridges_come_and_go_and_leave_nothing(same_host: Since) -> None:
    assert bridges(check=True)["changed"] is True
    assert same_host() == []
    assert bridges()["changed"] is True
    found = link("br-tg0")
    assert (found["mtu"], found["ifalias"], found["linkinfo"]["info_kind"]) == (1400, "leafspine:tg-host", "bridge")
    assert "UP" in found["flags"]
    assert found["addr_info"] == []
    assert link("br-tg1")["mtu"] == 1500
    built = snapshot.take()
    for again in (bridges(), bridges(check=True), bridges("absent", owner="tg-other")):
        assert (again["changed"], again["commands"]) == (False, [])
    ahead = bridges("absent", check=True)
    assert snapshot.difference(built, snapshot.take()) == []
    gone = bridges("absent")
    assert ahead["commands"] == gone["commands"] != []
    assert bridges("absent")["changed"] is False


@pytest.mark.usefixtures("same_host", "no_bridges")
@pytest.mark.parametrize(
    "drift",
    [
        pytest.param("ip link set dev br-tg0 mtu 1500", id="MTU"),
        pytest.param("ip link set dev br-tg0 down", id="down"),
        pytest.param("ip link delete br-tg1", id="deleted"),
        pytest.param("iptables -w -D FORWARD -o br-tg0 -m comment --comment leafspine:tg-host -j ACCEPT", id="rule deleted"),
    ],
)
def test_drift_is_seen_by_a_look_ahead_and_repaired_by_a_run(drift: str) -> None:
    bridges(accept="always")
    run(drift)
    ahead = bridges(accept="always", check=True)
    repaired = bridges(accept="always")
    assert ahead["commands"] == repaired["commands"]
    assert 0 < len(repaired["commands"]) <= 3
    assert bridges(accept="always")["changed"] is False


@pytest.mark.usefixtures("same_host")
def test_a_bridge_of_somebody_else_is_neither_taken_nor_removed() -> None:
    run("ip link add br-tg1 type bridge")
    before = snapshot.take()
    try:
        refused = bridges()
        assert refused["failed"]
        assert "br-tg1" in refused["msg"]
        assert bridges("absent")["changed"] is False
        assert snapshot.difference(before, snapshot.take()) == []
    finally:
        run("ip link delete br-tg1")


@pytest.fixture
def two_stations(no_bridges: None) -> Iterator[str]:
    """A bridge with a station in each of two namespaces, and a rule that drops what no other rule accepts; gives the command that pings."""
    bridges(accept="never")
    names = [f"tg-{os.getpid()}-{number}" for number in (1, 2)]
    for number, name in enumerate(names, 1):
        run(f"ip netns add {name}")
        run(f"ip link add tgs{number} mtu 1400 type veth peer name eth0 netns {name}")
        run(f"ip link set dev tgs{number} master br-tg0 up")
        run(f"ip -n {name} address add 10.132.240.{number}/24 dev eth0")
        run(f"ip -n {name} link set dev eth0 up")
    run("iptables -w -A FORWARD -i br-tg0 -j DROP")
    yield f"ip netns exec {names[0]} ping -c 2 -i 0.2 -W 1 10.132.240.2"
    run("iptables -w -D FORWARD -i br-tg0 -j DROP")
    for name in names:
        run(f"ip netns delete {name}")


@pytest.mark.skipif(not FILTER_SWITCH.exists() or FILTER_SWITCH.read_text().strip() != "1", reason="bridged packets do not pass through iptables here")
def test_the_accept_rule_opens_a_firewall_that_drops(same_host: Since, two_stations: str) -> None:
    assert run(two_stations, check=False).returncode != 0
    bridges(accept="auto")
    assert run(two_stations, check=False).returncode == 0


# --- lab_host ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> dict[str, Any]:
    return {"directory": str(tmp_path / "lab"), "environment": str(tmp_path / "venv"), "kubeconfig": str(tmp_path / "kubeconfig")}


def test_looking_at_the_host_changes_nothing(same_host: Since, lab: dict[str, Any]) -> None:
    given = lab | {"supported": {"debian": "12", "ubuntu": "24.04"}, "disk_mb": 1, "packages": ["iproute2", "no-such-package"], "limits": {"fs.file-max": 1}}
    seen = run_module(lab_host.main, given)
    assert (seen["changed"], seen["problems"], seen["state"]["missing_packages"]) == (False, [], ["no-such-package"])
    assert seen["state"]["limits"]["fs.file-max"] > 1
    assert run_module(lab_host.main, given, check=True) == seen


@pytest.fixture
def gateway(no_bridges: None) -> Iterator[str]:
    """An address on a bridge of this host."""
    bridges()
    run("ip address add 172.29.32.1/24 dev br-tg0")
    yield "172.29.32.1"


@pytest.mark.parametrize(("owner", "problems"), [("br-tg0", 0), ("br-tg1", 1), (None, 1)], ids=["the lab's own", "another link's", "no link's"])
def test_a_subnet_in_use_is_a_problem_unless_it_is_the_lab_s_own(lab: dict[str, Any], gateway: str, owner: str | None, problems: int) -> None:
    subnet = {"subnet": "172.29.32.0/24", "purpose": "management_subnet", "link": owner}
    seen = run_module(lab_host.main, lab | {"subnets": [subnet]})
    assert len(seen["problems"]) == problems
    if problems:
        assert "reaches by br-tg0" in seen["problems"][0]


def test_routers_on_the_host_s_links_are_asked_and_others_are_not(lab: dict[str, Any], gateway: str) -> None:
    with socket.create_server((gateway, 0)) as server:
        port = server.getsockname()[1]
        # 192.0.2.0/24 is for documentation; whatever it is here, 198.51.100.7 is behind a gateway or nowhere.
        routers = {"there": f"{gateway}:{port}", "silent": f"172.29.32.77:{port}", "far": f"198.51.100.7:{port}"}
        seen = run_module(lab_host.main, lab | {"routers": routers, "connect_timeout": 0.3})
    assert seen["state"]["routers"] == {"there": True, "silent": False, "far": False}
    assert run_module(lab_host.main, lab | {"routers": routers, "connect_timeout": 0.3})["state"]["routers"]["there"] is False


# --- node_network --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def node(namespace: str) -> str:
    """A node as kind leaves it, with the link that containerlab adds."""
    for command in (
        "link add eth0 type bridge",
        "address add 172.29.33.2/24 dev eth0",
        "link set dev eth0 up",
        "route add default via 172.29.33.1 dev eth0",
        "link add net0 type bridge",
    ):
        run(f"ip -n {namespace} {command}")
    return namespace


def network(node: str, record: Path, state: str = "present", *, check: bool = False, **change: Any) -> dict[str, Any]:
    entry = {"node": node, "interface": "net0", "address": "10.132.5.11", "prefix_length": 24, "gateway": "10.132.5.1"} | change
    arguments = {"nodes": [entry], "exec": ["ip", "netns", "exec", "{node}"], "record": str(record), "state": state}
    return run_module(node_network.main, arguments, check=check)


def test_a_node_gets_its_rack_address_and_gets_its_own_route_back(same_host: Since, node: str, tmp_path: Path) -> None:
    record = tmp_path / "routes.json"
    fresh = snapshot.take()
    assert network(node, record, check=True)["changed"] is True
    assert snapshot.difference(fresh, snapshot.take()) == []
    assert network(node, record)["changed"] is True
    assert run(f"ip -n {node} route show default").stdout.split()[:5] == ["default", "via", "10.132.5.1", "dev", "net0"]
    assert "10.132.5.11/24" in run(f"ip -n {node} -o -4 address show dev net0").stdout
    built = snapshot.take()
    assert network(node, record)["changed"] is False
    ahead = network(node, record, "absent", check=True)
    assert snapshot.difference(built, snapshot.take()) == []
    assert network(node, record, "absent")["commands"] == ahead["commands"] != []
    left = [line for line in snapshot.difference(fresh, snapshot.take()) if "link" not in line and "fe80" not in line and "-6" not in line]
    assert left == []
    assert not record.exists()


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param("address delete 10.132.5.11/24 dev net0", id="address gone"),
        pytest.param("address add 10.132.5.99/24 dev net0", id="a second address"),
        pytest.param("link set dev net0 down", id="down"),
        pytest.param("route replace default via 172.29.33.1 dev eth0", id="the former route is back"),
    ],
)
def test_drift_of_a_node_is_repaired(node: str, tmp_path: Path, drift: str) -> None:
    record = tmp_path / "routes.json"
    network(node, record)
    built = snapshot.take()
    run(f"ip -n {node} {drift}")
    assert snapshot.difference(built, snapshot.take()) != []
    assert network(node, record)["changed"] is True
    assert [line for line in snapshot.difference(built, snapshot.take()) if node in line and "fe80" not in line and " ff00" not in line] == []
    assert json.loads(record.read_text())[node] == {"gateway": "172.29.33.1", "dev": "eth0"}


def test_a_node_without_the_link_and_a_missing_node_are_refused(node: str, tmp_path: Path) -> None:
    before = snapshot.take()
    refused = network(node, tmp_path / "r", interface="net7")
    assert refused["failed"]
    assert "no interface net7" in refused["msg"]
    missing = network("tg-no-such-node", tmp_path / "r")
    assert missing["failed"]
    assert "tg-no-such-node: no such node" in missing["msg"]
    assert network("tg-no-such-node", tmp_path / "r", "absent")["changed"] is False
    assert snapshot.difference(before, snapshot.take()) == []
