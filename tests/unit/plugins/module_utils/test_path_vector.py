"""What changes a fabric's tables in the path-vector model, each with what does not."""

from __future__ import annotations

import copy
from typing import Any

import fabric_documents as documents
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import intent as intent_module
from ansible_collections.leafspine.calico.plugins.module_utils.path_vector import tables

BLOCKS = {"control-plane": ["10.244.0.0/26"], "worker": ["10.244.0.64/26"], "worker2": ["10.244.1.0/26"], "worker3": ["10.244.1.64/26"]}
REMOTE = "10.244.1.0/26"


def intent_of(document: dict[str, Any]) -> dict[str, Any]:
    intent, problems = intent_module.from_document(document)
    assert intent is not None, problems
    return intent


@pytest.fixture(name="intent")
def reference() -> dict[str, Any]:
    return intent_of(documents.reference())


def test_a_remote_block_has_both_spines_and_a_local_one_its_node(intent: dict[str, Any]) -> None:
    leaf0 = tables(intent, BLOCKS)["leaf0"]
    assert leaf0[REMOTE].next_hops == {"10.1.10.2", "10.1.12.2"}
    assert leaf0["10.244.0.0/26"].next_hops == {"10.1.5.10"}
    assert leaf0["10.1.5.0/24"].next_hops == frozenset()


def test_a_block_that_is_not_announced_is_nowhere(intent: dict[str, Any]) -> None:
    result = tables(intent, BLOCKS | {"worker2": []})
    assert all(REMOTE not in table for table in result.values())


def test_without_multipath_relax_one_spine_is_used(intent: dict[str, Any]) -> None:
    changed = copy.deepcopy(intent)
    for router in changed["routers"]:
        router["multipath_relax"] = False
    assert tables(changed, BLOCKS)["leaf0"][REMOTE].next_hops == {"10.1.10.2"}


def test_without_multipath_relax_spines_of_one_as_are_both_used() -> None:
    intent = intent_of(documents.changed(("spines/spine1/asn", 500)))
    for router in intent["routers"]:
        router["multipath_relax"] = False
    assert tables(intent, BLOCKS)["leaf0"][REMOTE].next_hops == {"10.1.10.2", "10.1.12.2"}


def test_nexthop_self_is_for_external_routes_and_leaves_reflected_ones_alone(intent: dict[str, Any]) -> None:
    worker = tables(intent, BLOCKS)["worker"]
    assert worker[REMOTE].next_hops == {"10.1.5.1"}
    assert worker["10.244.0.0/26"].next_hops == {"10.1.5.10"}
    changed = copy.deepcopy(intent)
    for router in changed["routers"]:
        for one in router["neighbors"]:
            one["nexthop_self"] = False
    worker = tables(changed, BLOCKS)["worker"]
    assert worker[REMOTE].next_hops == {"10.1.10.2"}
    assert worker["10.244.0.0/26"].next_hops == {"10.1.5.10"}


def test_without_route_reflection_a_node_does_not_see_its_neighbour(intent: dict[str, Any]) -> None:
    changed = copy.deepcopy(intent)
    for router in changed["routers"]:
        for one in router["neighbors"]:
            one["route_reflector_client"] = False
    worker = tables(changed, BLOCKS)["worker"]
    assert "10.244.0.0/26" not in worker
    assert REMOTE in worker


@pytest.mark.parametrize("down", [["spine0"], [("leaf0", "eth1")], [("spine0", "eth1")], [("leaf1", "eth1")]], ids=str)
def test_a_spine_or_a_link_to_it_is_down(intent: dict[str, Any], down: list[Any]) -> None:
    assert tables(intent, BLOCKS, down)["leaf0"][REMOTE].next_hops == {"10.1.12.2"}


def test_a_link_that_is_down_leaves_the_other_rack_s_uplinks_alone(intent: dict[str, Any]) -> None:
    leaf1 = tables(intent, BLOCKS, [("leaf0", "eth1")])["leaf1"]
    assert leaf1["10.244.0.0/26"].next_hops == {"10.1.11.2"}
    assert leaf1["10.1.10.0/24"].next_hops == {"10.1.34.2"}


@pytest.mark.parametrize("down", ["worker2", ("worker2", "net0"), ("br-leaf1", "br-leaf1-net0")], ids=str)
def test_a_node_or_its_link_is_down(intent: dict[str, Any], down: Any) -> None:
    result = tables(intent, BLOCKS, [down])
    assert REMOTE not in result["leaf0"]
    assert result["leaf0"]["10.244.1.64/26"].next_hops == {"10.1.10.2", "10.1.12.2"}
    assert ("worker2" in result) is (down != "worker2")


@pytest.mark.parametrize("down", ["br-leaf1", ("leaf1", "eth3"), ("br-leaf1", "br-leaf1-net2")], ids=str)
def test_a_rack_s_segment_is_down(intent: dict[str, Any], down: Any) -> None:
    result = tables(intent, BLOCKS, [down])
    assert not {REMOTE, "10.244.1.64/26"} & set(result["leaf0"])
    # 'network' prefixes are announced without their interface (VyOS: no bgp network import-check)
    assert result["leaf0"]["10.1.8.0/24"].next_hops == {"10.1.10.2", "10.1.12.2"}


def test_both_uplinks_down(intent: dict[str, Any]) -> None:
    leaf0 = tables(intent, BLOCKS, [("leaf0", "eth1"), ("leaf0", "eth2")])["leaf0"]
    assert {prefix for prefix, route in leaf0.items() if route.next_hops} == {"10.244.0.0/26", "10.244.0.64/26"}


def test_spines_of_one_as_have_no_valley_path() -> None:
    assert "10.1.5.0/24" in tables(intent_of(documents.reference()), BLOCKS, [("leaf0", "eth1")])["spine0"]
    one_as = intent_of(documents.changed(("spines/spine1/asn", 500)))
    assert "10.1.5.0/24" not in tables(one_as, BLOCKS, [("leaf0", "eth1")])["spine0"]


def test_an_anycast_prefix_goes_to_the_own_rack_first(intent: dict[str, Any]) -> None:
    result = tables(intent, {name: ["10.96.0.0/16"] for name in BLOCKS})
    assert result["leaf0"]["10.96.0.0/16"].next_hops == {"10.1.5.10", "10.1.5.11"}
    assert result["spine0"]["10.96.0.0/16"].next_hops == {"10.1.10.1", "10.1.34.1"}
    result = tables(intent, {"worker2": ["10.96.0.0/16"]})
    assert result["leaf0"]["10.96.0.0/16"].next_hops == {"10.1.10.2", "10.1.12.2"}


def test_an_import_filter(intent: dict[str, Any]) -> None:
    result = tables(intent, BLOCKS, accept=lambda device, peer, prefix: not (device == "leaf1" and peer == "worker2"))
    assert REMOTE not in result["leaf0"]
    assert "10.244.1.64/26" in result["leaf0"]
    assert result["worker2"][REMOTE].selected.local


LIES = ["0.0.0.0/0", "10.1.8.0/24", "8.8.8.0/24"]


def test_a_node_that_announces_what_is_not_its_own_is_not_believed(intent: dict[str, Any]) -> None:
    result = tables(intent, BLOCKS | {"worker": [*BLOCKS["worker"], *LIES, "10.96.0.0/16", "10.96.0.9/32"]})
    assert not {"0.0.0.0/0", "8.8.8.0/24"} & {prefix for name in result if name != "worker" for prefix in result[name]}
    assert result["leaf0"]["10.1.8.0/24"].next_hops == {"10.1.10.2", "10.1.12.2"}
    assert {result["leaf0"][prefix].next_hops for prefix in ("10.244.0.64/26", "10.96.0.0/16", "10.96.0.9/32")} == {frozenset({"10.1.5.11"})}


def test_without_the_import_filter_it_is_believed_everywhere() -> None:
    open_fabric = intent_of(documents.changed(("bgp/import_filter", {"enabled": False})))
    result = tables(open_fabric, BLOCKS | {"worker": [*BLOCKS["worker"], *LIES]})
    assert result["leaf0"]["10.1.8.0/24"].next_hops == {"10.1.5.11"}
    assert result["leaf1"]["0.0.0.0/0"].next_hops == {"10.1.34.2", "10.1.11.2"}
    assert result["worker2"]["8.8.8.0/24"].next_hops == {"10.1.8.1"}


def test_the_choice_among_equal_paths_changes_the_selected_path_and_no_next_hop(intent: dict[str, Any]) -> None:
    plain = tables(intent, BLOCKS)
    other = tables(intent, BLOCKS, prefer={("leaf0", REMOTE): "10.1.12.2"})
    assert plain["leaf0"][REMOTE].selected.as_path == (500, 65008)
    assert other["leaf0"][REMOTE].selected.as_path == (800, 65008)
    for device, table in plain.items():
        assert {prefix: route.next_hops for prefix, route in table.items()} == {prefix: route.next_hops for prefix, route in other[device].items()}


@pytest.mark.parametrize("down", ["leaf9", ("leaf0", "eth9"), ("spine9", "eth1")], ids=str)
def test_names_that_are_not_there_are_refused(intent: dict[str, Any], down: Any) -> None:
    with pytest.raises(ValueError, match="not in this fabric: "):
        tables(intent, BLOCKS, [down])


def test_a_device_that_is_not_there_announces_nothing(intent: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no device worker9 in this fabric announces prefixes"):
        tables(intent, {"worker9": ["10.244.9.0/26"]})
    assert REMOTE not in tables(intent, BLOCKS, ["worker2"])["leaf1"]


def test_a_larger_fabric_settles() -> None:
    document = documents.changed(
        ("spines", {f"spine{number}": {"asn": 4000 + number} for number in range(4)}), remove=("racks/rack0/uplinks", "racks/rack1/uplinks")
    )
    document["racks"] |= {f"rack{number}": documents.rack(number) for number in range(2, 12)}
    intent = intent_of(document)
    result = tables(intent, BLOCKS, [("leaf0", "eth1"), "spine3"])
    assert result["leaf7"][REMOTE].next_hops == {"10.255.0.225", "10.255.0.227", "10.255.0.229"}
    assert len(result["leaf0"][REMOTE].next_hops) == 2
