"""The reference lab's intent, number by number (reference-lab.md), and that devices which come or go move no other."""

from __future__ import annotations

from typing import Any

import fabric_documents as documents
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import intent as intent_module

Intent = dict[str, Any]


def intent_of(document: dict[str, Any]) -> Intent:
    intent, problems = intent_module.from_document(document)
    assert [str(problem) for problem in problems] == []
    assert intent is not None
    return intent


def by_name(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


@pytest.fixture(scope="module")
def reference() -> Intent:
    return intent_of(documents.reference())


INTERFACES = {
    "spine0": [("eth1", "10.1.10.2/24", "downlink", "leaf0", "eth1"), ("eth2", "10.1.34.2/24", "downlink", "leaf1", "eth1")],
    "spine1": [("eth1", "10.1.12.2/24", "downlink", "leaf0", "eth2"), ("eth2", "10.1.11.2/24", "downlink", "leaf1", "eth2")],
    "leaf0": [
        ("eth1", "10.1.10.1/24", "uplink", "spine0", "eth1"),
        ("eth2", "10.1.12.1/24", "uplink", "spine1", "eth1"),
        ("eth3", "10.1.5.1/24", "rack", "br-leaf0", "br-leaf0-net2"),
    ],
    "leaf1": [
        ("eth1", "10.1.34.1/24", "uplink", "spine0", "eth2"),
        ("eth2", "10.1.11.1/24", "uplink", "spine1", "eth2"),
        ("eth3", "10.1.8.1/24", "rack", "br-leaf1", "br-leaf1-net2"),
    ],
}


@pytest.mark.parametrize("name", INTERFACES)
def test_interfaces(reference: Intent, name: str) -> None:
    router = by_name(reference["routers"])[name]
    found = [(one["name"], one["address"], one["kind"], one["peer"]["device"], one["peer"]["interface"]) for one in router["interfaces"]]
    assert found == INTERFACES[name]
    assert {one["mtu"] for one in router["interfaces"]} == {1500}


NODE_FILTER = {
    "name": "LEAFSPINE-NODES",
    "accepted": [
        {"prefix": "10.244.0.0/16", "ge": 20, "le": 32},
        {"prefix": "10.96.0.0/16", "ge": None, "le": None},
        {"prefix": "10.96.0.0/16", "ge": 32, "le": 32},
    ],
    "maximum_prefix": 1000,
}
ROUTERS = {
    "spine0": ("spine", None, 500, "10.1.10.2", "172.20.20.2", ["10.1.10.0/24", "10.1.34.0/24"]),
    "spine1": ("spine", None, 800, "10.1.12.2", "172.20.20.3", ["10.1.12.0/24", "10.1.11.0/24"]),
    "leaf0": ("leaf", "rack0", 65005, "10.1.5.1", "172.20.20.128", ["10.1.5.0/24", "10.1.10.0/24", "10.1.12.0/24"]),
    "leaf1": ("leaf", "rack1", 65008, "10.1.8.1", "172.20.20.129", ["10.1.8.0/24", "10.1.34.0/24", "10.1.11.0/24"]),
}


@pytest.mark.parametrize("name", ROUTERS)
def test_routers(reference: Intent, name: str) -> None:
    router = by_name(reference["routers"])[name]
    management = router["management"]
    assert (router["role"], router["rack"], router["asn"], router["router_id"], management["address"], router["networks"]) == ROUTERS[name]
    assert management == {"interface": "eth0", "address": management["address"], "prefix_length": 24}
    assert router["container"] == f"clab-calico-bgp-rr-{name}"
    assert router["multipath_relax"] is True
    assert router["layer4_hashing"] is True
    assert router["bfd"] == {"profile": "LEAFSPINE-FABRIC", "interval": 50, "multiplier": 3}
    assert router["import_filter"] == (NODE_FILTER if router["role"] == "leaf" else None)
    nat = [{"rule": 100, "source": "10.1.0.0/16", "interface": "eth0"}] if router["role"] == "leaf" else []
    assert router["nat"] == nat


NEIGHBORS = {
    "spine0": [("10.1.10.1", 65005, "ebgp", "leaf0", "eth1"), ("10.1.34.1", 65008, "ebgp", "leaf1", "eth2")],
    "spine1": [("10.1.12.1", 65005, "ebgp", "leaf0", "eth1"), ("10.1.11.1", 65008, "ebgp", "leaf1", "eth2")],
    "leaf0": [
        ("10.1.10.2", 500, "ebgp", "spine0", "eth1"),
        ("10.1.12.2", 800, "ebgp", "spine1", "eth2"),
        ("10.1.5.10", 65005, "ibgp", "control-plane", "eth3"),
        ("10.1.5.11", 65005, "ibgp", "worker", "eth3"),
    ],
    "leaf1": [
        ("10.1.34.2", 500, "ebgp", "spine0", "eth1"),
        ("10.1.11.2", 800, "ebgp", "spine1", "eth2"),
        ("10.1.8.10", 65008, "ibgp", "worker2", "eth3"),
        ("10.1.8.11", 65008, "ibgp", "worker3", "eth3"),
    ],
}


@pytest.mark.parametrize("name", NEIGHBORS)
def test_neighbors(reference: Intent, name: str) -> None:
    neighbors = by_name(reference["routers"])[name]["neighbors"]
    assert [(one["address"], one["asn"], one["type"], one["device"], one["interface"]) for one in neighbors] == NEIGHBORS[name]
    for one in neighbors:
        internal = one["type"] == "ibgp"
        assert one["route_reflector_client"] is internal
        assert one["nexthop_self"] is internal
        assert one["filtered"] is internal
        assert one["bfd"] is one["md5"] is not internal
        assert one["timers"] == (None if internal else {"keepalive": 3, "holdtime": 9, "connect": 5})


SERVERS = {
    "control-plane": ("control-plane", "rack0", 65005, "10.1.5.10", "10.1.5.1", "leaf0", "br-leaf0", "br-leaf0-net0", "server1"),
    "worker": ("worker", "rack0", 65005, "10.1.5.11", "10.1.5.1", "leaf0", "br-leaf0", "br-leaf0-net1", "server2"),
    "worker2": ("worker", "rack1", 65008, "10.1.8.10", "10.1.8.1", "leaf1", "br-leaf1", "br-leaf1-net0", "server3"),
    "worker3": ("worker", "rack1", 65008, "10.1.8.11", "10.1.8.1", "leaf1", "br-leaf1", "br-leaf1-net1", "server4"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_servers(reference: Intent, name: str) -> None:
    server = by_name(reference["servers"])[name]
    keys = ("role", "rack", "asn", "address", "gateway", "leaf", "bridge", "bridge_port", "clab_node")
    assert tuple(server[key] for key in keys) == SERVERS[name]
    assert server["node"] == f"clab-calico-bgp-rr-{name}"
    assert (server["interface"], server["prefix_length"], server["mtu"]) == ("net0", 24, 1500)
    assert server["labels"] == {"rack": server["rack"]}


def test_links(reference: Intent) -> None:
    found = [f"{link['a']['node']}:{link['a']['interface']} {link['b']['node']}:{link['b']['interface']} {link['kind']}" for link in reference["links"]]
    assert found == [
        "leaf0:eth1 spine0:eth1 uplink",
        "leaf0:eth2 spine1:eth1 uplink",
        "leaf0:eth3 br-leaf0:br-leaf0-net2 rack",
        "br-leaf0:br-leaf0-net0 clab-calico-bgp-rr-control-plane:net0 server",
        "br-leaf0:br-leaf0-net1 clab-calico-bgp-rr-worker:net0 server",
        "leaf1:eth1 spine0:eth2 uplink",
        "leaf1:eth2 spine1:eth2 uplink",
        "leaf1:eth3 br-leaf1:br-leaf1-net2 rack",
        "br-leaf1:br-leaf1-net0 clab-calico-bgp-rr-worker2:net0 server",
        "br-leaf1:br-leaf1-net1 clab-calico-bgp-rr-worker3:net0 server",
    ]
    assert {link["mtu"] for link in reference["links"]} == {1500}
    assert [link["subnet"] for link in reference["links"] if link["kind"] == "uplink"] == ["10.1.10.0/24", "10.1.12.0/24", "10.1.34.0/24", "10.1.11.0/24"]
    assert reference["links"][4]["b"] == {
        "device": "worker",
        "node": "clab-calico-bgp-rr-worker",
        "clab_node": "server2",
        "interface": "net0",
        "address": "10.1.5.11/24",
    }


def test_the_rest_of_the_fabric(reference: Intent) -> None:
    assert reference["lab_name"] == "calico-bgp-rr"
    assert reference["lab_host"] == "labhost"
    assert reference["mtu"] == 1500
    assert reference["cluster"] == {
        "name": "clab-calico-bgp-rr",
        "pod_subnet": "10.244.0.0/16",
        "service_subnet": "10.96.0.0/16",
        "node_network": "172.18.0.0/16",
        "naming": "kind",
        "node_names": [f"clab-calico-bgp-rr-{name}" for name in SERVERS],
        "control_plane_names": ["clab-calico-bgp-rr-control-plane"],
    }
    assert reference["management"] == {
        "subnet": "172.20.20.0/24",
        "gateway": "172.20.20.1",
        "prefix_length": 24,
        "bridge": "calico-bgp-rr",
        "network": "calico-bgp-rr",
    }
    assert [(one["name"], one["rack"], one["leaf"], one["mtu"]) for one in reference["bridges"]] == [
        ("br-leaf0", "rack0", "leaf0", 1500),
        ("br-leaf1", "rack1", "leaf1", 1500),
    ]
    assert reference["bgp_peers"] == [
        {"name": "rack0-to-leaf0", "peer_ip": "10.1.5.1", "asn": 65005, "rack": "rack0", "leaf": "leaf0", "selector": "rack == 'rack0'"},
        {"name": "rack1-to-leaf1", "peer_ip": "10.1.8.1", "asn": 65008, "rack": "rack1", "leaf": "leaf1", "selector": "rack == 'rack1'"},
    ]
    assert reference["autonomous_systems"] == [
        {"asn": 500, "rack": None, "routers": ["spine0"], "servers": []},
        {"asn": 800, "rack": None, "routers": ["spine1"], "servers": []},
        {"asn": 65005, "rack": "rack0", "routers": ["leaf0"], "servers": ["control-plane", "worker"]},
        {"asn": 65008, "rack": "rack1", "routers": ["leaf1"], "servers": ["worker2", "worker3"]},
    ]
    assert reference["calico"] == {"nat_outgoing": True}


# --- devices that come or go ---------------------------------------------------------------------------------------------


def untouched(before: Intent, after: Intent, names: set[str]) -> None:
    """Routers and servers of these names are equal in both; links and bridges of the first are in the second."""
    for kind in ("routers", "servers"):
        old, new = by_name(before[kind]), by_name(after[kind])
        for name in names & set(old):
            assert new[name] == old[name]


def extended(before: Intent, after: Intent, routers: set[str]) -> None:
    """Routers of these names keep all they had; interfaces, networks and neighbours were only added."""
    old, new = by_name(before["routers"]), by_name(after["routers"])
    for name in routers:
        for key in old[name]:
            if key in ("interfaces", "networks", "neighbors"):
                assert [one for one in new[name][key] if one in old[name][key]] == old[name][key]
            else:
                assert new[name][key] == old[name][key]


LEAVES, SPINES, ALL_SERVERS = {"leaf0", "leaf1"}, {"spine0", "spine1"}, set(SERVERS)


@pytest.mark.parametrize("first", [False, True], ids=["at the end", "at the beginning"])
def test_a_rack_that_is_added_moves_nobody(reference: Intent, first: bool) -> None:
    document = documents.reference()
    new = {"rack7": documents.rack(7, worker4="10.1.107.10")}
    document["racks"] = new | document["racks"] if first else document["racks"] | new
    after = intent_of(document)
    untouched(reference, after, LEAVES | ALL_SERVERS)
    extended(reference, after, SPINES)
    leaf = by_name(after["routers"])["leaf7"]
    assert [one["address"] for one in leaf["interfaces"]] == ["10.255.0.224/31", "10.255.0.226/31", "10.1.107.1/24"]
    assert leaf["management"]["address"] == "172.20.20.135"
    assert [one["peer"]["interface"] for one in leaf["interfaces"]] == ["eth8", "eth8", "br-leaf7-net2"]


def test_a_rack_that_goes_moves_nobody(reference: Intent) -> None:
    document = documents.reference()
    document["racks"]["rack2"] = documents.rack(2)
    before = intent_of(document)
    del document["racks"]["rack1"]
    document["racks"]["rack2"]["servers"] = {}
    after = intent_of(document)
    untouched(before, after, {"leaf0", "leaf2", "control-plane", "worker"})
    extended(after, before, SPINES)


def test_a_server_that_is_added_moves_nobody(reference: Intent) -> None:
    after = intent_of(documents.changed(("racks/rack0/servers/worker4", "10.1.5.12")))
    untouched(reference, after, {"leaf1"} | SPINES | ALL_SERVERS)
    extended(reference, after, {"leaf0"})
    assert by_name(after["servers"])["worker4"]["bridge_port"] == "br-leaf0-net3"
    assert by_name(after["servers"])["worker4"]["clab_node"] == "server5"


@pytest.mark.parametrize("first", [False, True], ids=["at the end", "at the beginning"])
def test_a_spine_with_a_leaf_port_that_is_added_moves_nobody(reference: Intent, first: bool) -> None:
    document = documents.reference()
    new = {"spine2": {"asn": 900, "leaf_port": 4}}
    document["spines"] = new | document["spines"] if first else document["spines"] | new
    after = intent_of(document)
    untouched(reference, after, SPINES | ALL_SERVERS)
    extended(reference, after, LEAVES)
    spine = by_name(after["routers"])["spine2"]
    assert [(one["name"], one["address"], one["peer"]["interface"]) for one in spine["interfaces"]] == [
        ("eth1", "10.255.0.5/31", "eth4"),
        ("eth2", "10.255.0.37/31", "eth4"),
    ]


def test_a_spine_without_a_leaf_port_that_is_added_moves_the_rack_ports(reference: Intent) -> None:
    after = intent_of(documents.changed(("spines/spine2", {"asn": 900})))
    assert [one["name"] for one in by_name(after["routers"])["leaf0"]["interfaces"]] == ["eth1", "eth2", "eth3", "eth4"]
    untouched(reference, after, SPINES | ALL_SERVERS)


def test_devices_without_numbers_are_placed_in_their_order() -> None:
    document = documents.changed(("spines", {"north": {"asn": 500}, "south": {"asn": 800}}), remove=("racks/rack0/uplinks", "racks/rack1/uplinks"))
    document["racks"]["rack0"]["leaves"] = ["tor-a"]
    document["racks"]["rack1"]["leaves"] = ["tor-b"]
    before = intent_of(document)
    assert {router["name"]: router["management"]["address"] for router in before["routers"]} == {
        "north": "172.20.20.2",
        "south": "172.20.20.3",
        "tor-a": "172.20.20.128",
        "tor-b": "172.20.20.129",
    }
    document["racks"]["rack2"] = documents.rack(2) | {"leaves": ["tor-c"]}
    after = intent_of(document)
    untouched(before, after, {"tor-a", "tor-b"} | ALL_SERVERS)
    extended(before, after, {"north", "south"})
