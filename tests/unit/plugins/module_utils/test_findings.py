"""Findings about a lab: none about a healthy one, and exactly the one line for each thing that is false."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.findings import (
    expected_rack_routes,
    expected_sessions,
    fabric_findings,
    kernel_next_hops,
    node_findings,
)
from ansible_collections.leafspine.calico.plugins.module_utils.intent import from_document
from fabric_documents import rack, reference


def intent() -> dict[str, Any]:
    found, problems = from_document(reference())
    assert found is not None, problems
    return found


FABRIC = intent()
ROUTERS = {router["name"]: router for router in FABRIC["routers"]}


def healthy_summary(name: str) -> dict[str, Any]:
    peers = {neighbor["address"]: {"remoteAs": neighbor["asn"], "state": "Established"} for neighbor in ROUTERS[name]["neighbors"]}
    return {"ipv4Unicast": {"as": ROUTERS[name]["asn"], "peers": peers}}


# As `ip -j -4 route show` prints the reference lab's tables (reference tables of leaf0 and spine0).
LEAF0_ROUTES: list[dict[str, Any]] = [
    {"dst": "10.1.5.0/24", "dev": "eth3"},
    {"dst": "10.1.8.0/24", "nexthops": [{"gateway": "10.1.10.2", "dev": "eth1"}, {"gateway": "10.1.12.2", "dev": "eth2"}]},
    {"dst": "10.1.10.0/24", "dev": "eth1"},
]
SPINE0_ROUTES: list[dict[str, Any]] = [
    {"dst": "10.1.5.0/24", "gateway": "10.1.10.1", "dev": "eth1"},
    {"dst": "10.1.8.0/24", "gateway": "10.1.34.1", "dev": "eth2"},
]


def about(name: str, summary: dict[str, Any], routes: list[dict[str, Any]], nodes: bool = True) -> list[str]:
    return fabric_findings(ROUTERS[name], FABRIC, [json.dumps(summary), json.dumps(routes)], nodes)


@pytest.mark.parametrize(("name", "routes"), [("leaf0", LEAF0_ROUTES), ("spine0", SPINE0_ROUTES)])
def test_nothing_is_false_about_a_healthy_router(name: str, routes: list[dict[str, Any]]) -> None:
    assert about(name, healthy_summary(name), routes) == []


@pytest.mark.parametrize("state", ["Active", "Connect", "Idle", "Idle (Admin)", "OpenSent"])
def test_a_session_that_is_down_is_named_with_its_device_and_state(state: str) -> None:
    summary = healthy_summary("leaf0")
    summary["ipv4Unicast"]["peers"]["10.1.12.2"]["state"] = state
    assert about("leaf0", summary, LEAF0_ROUTES) == [
        f"leaf0: session with spine1 (10.1.12.2): expected Established, found {state} (look: show bgp neighbors 10.1.12.2)"
    ]


def test_a_node_s_session_counts_only_when_asked_for() -> None:
    summary = healthy_summary("leaf0")
    summary["ipv4Unicast"]["peers"]["10.1.5.11"]["state"] = "Active"
    assert about("leaf0", summary, LEAF0_ROUTES, nodes=False) == []
    assert len(about("leaf0", summary, LEAF0_ROUTES, nodes=True)) == 1
    assert set(expected_sessions(ROUTERS["leaf0"], False)) == {"10.1.10.2", "10.1.12.2"}
    assert set(expected_sessions(ROUTERS["leaf0"], True)) == {"10.1.10.2", "10.1.12.2", "10.1.5.10", "10.1.5.11"}


def test_a_spine_s_session_counts_always() -> None:
    summary = healthy_summary("leaf0")
    summary["ipv4Unicast"]["peers"]["10.1.10.2"]["state"] = "Active"
    assert len(about("leaf0", summary, LEAF0_ROUTES, nodes=False)) == 1


def test_a_missing_neighbour_a_stranger_and_a_wrong_as_are_three_findings() -> None:
    summary = healthy_summary("leaf0")
    peers = summary["ipv4Unicast"]["peers"]
    del peers["10.1.10.2"]
    peers["10.1.12.2"]["remoteAs"] = 801
    peers["10.9.9.9"] = {"remoteAs": 1, "state": "Active"}
    findings = about("leaf0", summary, LEAF0_ROUTES)
    assert [finding.split(" (look")[0] for finding in findings] == [
        "leaf0: session with spine0 (10.1.10.2): expected Established, found no such neighbour",
        "leaf0: session with spine1 (10.1.12.2): expected AS 800, found AS 801",
        "leaf0: neighbour: expected none, found 10.9.9.9",
    ]


@pytest.mark.parametrize(("summary", "found"), [({}, "no BGP"), ({"ipv4Unicast": {"as": 1, "peers": {}}}, "1")], ids=["no BGP", "another AS"])
def test_a_router_without_its_own_as_is_a_finding(summary: dict[str, Any], found: str) -> None:
    assert about("leaf0", summary, LEAF0_ROUTES)[0].startswith(f"leaf0: AS number: expected 65005, found {found}")


@pytest.mark.parametrize(
    ("route", "found"),
    [
        pytest.param(None, "no route", id="no route"),
        pytest.param({"dst": "10.1.8.0/24", "gateway": "10.1.10.2"}, "10.1.10.2", id="one of two next hops, as after a flap"),
        pytest.param({"dst": "10.1.8.0/24", "nexthops": [{"gateway": "10.1.10.2"}]}, "10.1.10.2", id="a group of one"),
        pytest.param({"dst": "10.1.8.0/24", "dev": "eth3"}, "no next hop", id="a link without a gateway"),
        pytest.param(
            {"dst": "10.1.8.0/24", "nexthops": [{"gateway": hop} for hop in ("10.1.10.2", "10.1.12.2", "10.1.5.11")]},
            "10.1.10.2 10.1.12.2 10.1.5.11",
            id="one too many",
        ),
    ],
)
def test_the_kernel_s_next_hops_must_be_exactly_the_expected_ones(route: dict[str, Any] | None, found: str) -> None:
    routes = [entry for entry in LEAF0_ROUTES if entry["dst"] != "10.1.8.0/24"] + ([route] if route else [])
    assert about("leaf0", healthy_summary("leaf0"), routes) == [
        f"leaf0: 10.1.8.0/24: expected 10.1.10.2 10.1.12.2, found {found} (look: ip route show 10.1.8.0/24)"
    ]


@pytest.mark.parametrize(
    ("default", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([{"gateway": "172.20.20.1"}], None, id="through management"),
        pytest.param([{"gateway": "10.1.10.2"}], "10.1.10.2", id="through a spine"),
        pytest.param([{"gateway": "172.20.20.1"}, {"gateway": "10.1.10.2", "metric": 20}], "10.1.10.2 172.20.20.1", id="through both"),
        pytest.param([{"dev": "eth1"}], "no gateway", id="through a link"),
    ],
)
def test_no_default_route_through_the_fabric(default: list[dict[str, Any]], found: str | None) -> None:
    routes = [*LEAF0_ROUTES, *({"dst": "default", **route} for route in default)]
    findings = about("leaf0", healthy_summary("leaf0"), routes)
    expected = [f"leaf0: default route: expected none through the fabric, found {found} (look: ip route show default)"]
    assert findings == (expected if found else [])


@pytest.mark.parametrize(
    "outputs",
    [
        pytest.param([], id="nothing was answered"),
        pytest.param(["{}"], id="half an answer"),
        pytest.param(["% BGP instance not found", "[]"], id="an error text"),
        pytest.param(["{}", "Cannot open network namespace"], id="an error text of ip"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_finding_not_an_exception(outputs: list[str]) -> None:
    findings = fabric_findings(ROUTERS["leaf0"], FABRIC, outputs)
    assert len(findings) == 1
    assert "leaf0: answer: expected JSON, found" in findings[0]


def test_expected_routes_of_the_reference_lab() -> None:
    assert expected_rack_routes(ROUTERS["leaf0"], FABRIC) == {"10.1.8.0/24": {"10.1.10.2", "10.1.12.2"}}
    assert expected_rack_routes(ROUTERS["leaf1"], FABRIC) == {"10.1.5.0/24": {"10.1.34.2", "10.1.11.2"}}
    assert expected_rack_routes(ROUTERS["spine1"], FABRIC) == {"10.1.5.0/24": {"10.1.12.1"}, "10.1.8.0/24": {"10.1.11.1"}}


def test_a_rack_that_one_spine_does_not_reach_has_the_other_spine_as_only_next_hop() -> None:
    document = reference()
    document["racks"]["rack2"] = rack(2, worker4="10.1.102.10") | {"uplinks": {"leaf2": {"spine1": False}}}
    fabric, problems = from_document(document)
    assert fabric is not None, problems
    routers = {router["name"]: router for router in fabric["routers"]}
    assert expected_rack_routes(routers["leaf0"], fabric)["10.1.102.0/24"] == {"10.1.10.2"}
    assert expected_rack_routes(routers["leaf0"], fabric)["10.1.8.0/24"] == {"10.1.10.2", "10.1.12.2"}


def test_next_hops_of_the_kernel_s_table() -> None:
    routes = [{"dst": "a", "gateway": "1"}, {"dst": "b", "nexthops": [{"gateway": "1"}, {"gateway": "2"}, {"dev": "eth1"}]}, {"dst": "c", "dev": "lo"}]
    assert kernel_next_hops(routes) == {"a": {"1"}, "b": {"1", "2"}, "c": set()}


# --- nodes ---------------------------------------------------------------------------------------------------------------


def healthy_nodes() -> list[dict[str, Any]]:
    return [
        {
            "metadata": {"name": server["node"], "labels": {"rack": server["rack"], "other": "x"}},
            "status": {"addresses": [{"type": "InternalIP", "address": server["address"]}, {"type": "Hostname", "address": server["node"]}]},
        }
        for server in FABRIC["servers"]
    ]


WORKER = "clab-calico-bgp-rr-worker"


def test_nothing_is_false_about_healthy_nodes() -> None:
    assert node_findings(FABRIC["servers"], healthy_nodes()) == []


def test_a_missing_node_is_one_finding() -> None:
    nodes = [node for node in healthy_nodes() if node["metadata"]["name"] != WORKER]
    assert node_findings(FABRIC["servers"], nodes) == [f"{WORKER}: node: expected in the cluster, found absent (look: kubectl get nodes)"]
    assert len(node_findings(FABRIC["servers"], [])) == len(FABRIC["servers"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"metadata": {"name": WORKER, "labels": {"rack": "rack1"}}}, "label rack: expected rack0, found rack1", id="another rack's label"),
        pytest.param({"metadata": {"name": WORKER}}, "label rack: expected rack0, found none", id="no label"),
        pytest.param(
            {"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.3"}]}},
            "InternalIP: expected 10.1.5.11, found 172.18.0.3",
            id="address of eth0",
        ),
        pytest.param({"status": {}}, "InternalIP: expected 10.1.5.11, found none", id="no address yet"),
        pytest.param(
            {"status": {"addresses": [{"type": "InternalIP", "address": one} for one in ("10.1.5.11", "fd00::1")]}},
            "InternalIP: expected 10.1.5.11, found 10.1.5.11 fd00::1",
            id="one too many",
        ),
    ],
)
def test_a_node_with_something_false_is_named(change: dict[str, Any], expected: str) -> None:
    nodes = copy.deepcopy(healthy_nodes())
    node = next(node for node in nodes if node["metadata"]["name"] == WORKER)
    node.update(change)
    findings = node_findings(FABRIC["servers"], nodes)
    assert len(findings) == 1
    assert findings[0].startswith(f"{WORKER}: {expected} (look: kubectl get node {WORKER}")
