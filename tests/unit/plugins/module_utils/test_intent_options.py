"""What the optional keys of a fabric file change in the intent, and what their absence leaves."""

from __future__ import annotations

from typing import Any

import fabric_documents as documents
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import intent as intent_module


def intent_of(document: dict[str, Any]) -> dict[str, Any]:
    intent, problems = intent_module.from_document(document)
    assert [str(problem) for problem in problems] == []
    assert intent is not None
    return intent


def router_of(intent: dict[str, Any], name: str) -> dict[str, Any]:
    return next(router for router in intent["routers"] if router["name"] == name)


def test_timers_bfd_and_passwords_are_for_sessions_between_leaves_and_spines() -> None:
    bgp = {"timers": {"keepalive": 10, "holdtime": 30}, "bfd": {"interval": 100}}
    leaf = router_of(intent_of(documents.changed(("bgp", bgp))), "leaf0")
    assert leaf["bfd"] == {"profile": "LEAFSPINE-FABRIC", "interval": 100, "multiplier": 3}
    assert [(one["type"], one["bfd"], one["md5"], one["timers"], one["filtered"]) for one in leaf["neighbors"]] == [
        ("ebgp", True, True, {"keepalive": 10, "holdtime": 30, "connect": 5}, False),
        ("ebgp", True, True, {"keepalive": 10, "holdtime": 30, "connect": 5}, False),
        ("ibgp", False, False, None, True),
        ("ibgp", False, False, None, True),
    ]


@pytest.mark.parametrize("key", ["bfd", "md5"])
def test_what_is_switched_off_is_absent(key: str) -> None:
    off = {"bfd": {"enabled": False, "interval": 100}, "md5": False}
    leaf = router_of(intent_of(documents.changed((f"bgp/{key}", off[key]))), "leaf0")
    assert (leaf["bfd"] is None) is (key == "bfd")
    assert not any(one[key] for one in leaf["neighbors"])


def test_without_an_import_filter_leaves_take_what_comes() -> None:
    leaf = router_of(intent_of(documents.changed(("bgp/import_filter", {"enabled": False}))), "leaf0")
    assert leaf["import_filter"] is None
    assert not any(one["filtered"] for one in leaf["neighbors"])


def test_a_leaf_without_servers_has_nothing_to_filter() -> None:
    rack = {"asn": 65010, "subnet": "10.1.9.0/24", "leaves": ["leaf9"], "servers": {}}
    assert router_of(intent_of(documents.changed(("racks/rack9", rack))), "leaf9")["import_filter"] is None


def test_further_service_ranges_are_accepted_as_a_whole_and_in_single_addresses() -> None:
    wanted = {"service_ranges": ["198.51.100.0/24", "203.0.113.7/32"], "maximum_prefix": 50}
    found = router_of(intent_of(documents.changed(("bgp/import_filter", wanted))), "leaf0")["import_filter"]
    assert found["maximum_prefix"] == 50
    assert found["accepted"][3:] == [
        {"prefix": "198.51.100.0/24", "ge": None, "le": None},
        {"prefix": "198.51.100.0/24", "ge": 32, "le": 32},
        {"prefix": "203.0.113.7/32", "ge": None, "le": None},
    ]


def test_without_a_source_each_leaf_masquerades_its_own_rack() -> None:
    intent = intent_of(documents.changed(remove=("nat",)))
    assert router_of(intent, "leaf0")["nat"] == [{"rule": 100, "source": "10.1.5.0/24", "interface": "eth0"}]
    assert router_of(intent, "leaf1")["nat"] == [{"rule": 100, "source": "10.1.8.0/24", "interface": "eth0"}]
    assert router_of(intent, "spine0")["nat"] == []


def test_rule_number() -> None:
    assert router_of(intent_of(documents.changed(("nat/rule", 200))), "leaf0")["nat"][0]["rule"] == 200


def test_mtu_is_everywhere() -> None:
    intent = intent_of(documents.changed(("mtu", 9000)))
    found = {one["mtu"] for key in ("bridges", "links", "servers") for one in intent[key]}
    found |= {one["mtu"] for router in intent["routers"] for one in router["interfaces"]}
    assert found == {9000} == {intent["mtu"]}


def test_hash_policy() -> None:
    assert not router_of(intent_of(documents.changed(("ecmp/layer4", False))), "spine0")["layer4_hashing"]


@pytest.mark.parametrize(
    ("prefix", "leaf", "spine"),
    [
        ("10.9.9.0/24", "10.9.9.1/24", "10.9.9.2/24"),
        ("10.9.9.4/30", "10.9.9.5/30", "10.9.9.6/30"),
        ("10.9.9.4/31", "10.9.9.4/31", "10.9.9.5/31"),
    ],
)
def test_ends_of_a_link(prefix: str, leaf: str, spine: str) -> None:
    intent = intent_of(documents.changed(("racks/rack0/uplinks/leaf0/spine0", prefix)))
    assert router_of(intent, "leaf0")["interfaces"][0]["address"] == leaf
    assert router_of(intent, "spine0")["interfaces"][0]["address"] == spine


@pytest.mark.parametrize(("length", "address"), [(31, "10.255.0.32/31"), (30, "10.255.0.65/30")])
def test_links_are_drawn_from_the_pool(length: int, address: str) -> None:
    document = documents.changed(("link_prefix_length", length), remove=("racks/rack1/uplinks",))
    assert router_of(intent_of(document), "leaf1")["interfaces"][0]["address"] == address


def test_a_link_without_a_value_is_drawn_and_a_false_one_is_not_there() -> None:
    intent = intent_of(documents.changed(("racks/rack0/uplinks/leaf0", {"spine0": None, "spine1": False})))
    leaf = router_of(intent, "leaf0")
    assert [(one["name"], one["address"]) for one in leaf["interfaces"]] == [("eth1", "10.255.0.0/31"), ("eth3", "10.1.5.1/24")]
    assert [one["device"] for one in router_of(intent, "spine1")["neighbors"]] == ["leaf1"]


def test_a_link_chosen_by_hand_may_lie_in_the_pool() -> None:
    document = documents.changed(("racks/rack0/uplinks/leaf0/spine0", "10.255.9.0/31"), remove=("racks/rack1/uplinks",))
    assert router_of(intent_of(document), "leaf0")["interfaces"][0]["address"] == "10.255.9.0/31"


def test_explicit_management_addresses_and_ports_win() -> None:
    document = documents.changed(
        ("spines/spine1/management", "172.20.20.2"),
        ("racks/rack0/leaves/0", {"name": "leaf0", "management": "172.20.20.9", "spine_port": 7}),
    )
    intent = intent_of(document)
    assert {router["name"]: router["management"]["address"] for router in intent["routers"]} == {
        "spine0": "172.20.20.3",
        "spine1": "172.20.20.2",
        "leaf0": "172.20.20.9",
        "leaf1": "172.20.20.129",
    }
    assert [one["name"] for one in router_of(intent, "spine0")["interfaces"]] == ["eth2", "eth7"]


def test_leaf_ports_can_be_crossed() -> None:
    intent = intent_of(documents.changed(("spines/spine0/leaf_port", 2), ("spines/spine1/leaf_port", 1)))
    assert [(one["name"], one["peer"]["device"]) for one in router_of(intent, "leaf0")["interfaces"]] == [
        ("eth1", "spine1"),
        ("eth2", "spine0"),
        ("eth3", "br-leaf0"),
    ]


def test_verbatim_names_are_node_names() -> None:
    document = documents.changed(
        ("cluster/naming", "verbatim"),
        ("cluster/control_planes", ["metal-a"]),
        ("racks/rack0/servers", {"metal-b": "10.1.5.10", "metal-a": "10.1.5.11"}),
    )
    intent = intent_of(document)
    assert [(server["node"], server["role"]) for server in intent["servers"]][:2] == [("metal-b", "worker"), ("metal-a", "control-plane")]
    assert intent["cluster"]["control_plane_names"] == ["metal-a"]


def test_servers_are_in_the_order_in_which_kind_numbers_its_nodes() -> None:
    document = documents.changed(
        ("racks/rack0/servers", {"worker": "10.1.5.11", "worker10": "10.1.5.12", "worker9": "10.1.5.13"}),
        (
            "racks/rack1/servers",
            {f"worker{number}": f"10.1.8.{20 + number}" for number in range(2, 9)} | {"control-plane2": "10.1.8.10", "control-plane": "10.1.8.11"},
        ),
    )
    names = [server["name"] for server in intent_of(document)["servers"]]
    assert names == ["control-plane", "control-plane2", "worker", *(f"worker{number}" for number in range(2, 11))]


def test_cluster_and_lab_host_names() -> None:
    intent = intent_of(documents.changed(("lab_host", "bench"), remove=("cluster/name",)))
    assert (intent["lab_host"], intent["cluster"]["name"]) == ("bench", "clab-calico-bgp-rr")


def test_spines_may_share_an_as() -> None:
    intent = intent_of(documents.changed(("spines/spine1/asn", 500)))
    assert intent["autonomous_systems"][0] == {"asn": 500, "rack": None, "routers": ["spine0", "spine1"], "servers": []}


def test_a_rack_may_have_no_server() -> None:
    document = documents.changed(("racks/rack1/servers", {}))
    intent = intent_of(document)
    assert [peer["name"] for peer in intent["bgp_peers"]] == ["rack0-to-leaf0"]
    assert [one["device"] for one in router_of(intent, "leaf1")["neighbors"]] == ["spine0", "spine1"]
