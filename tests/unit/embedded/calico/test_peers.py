"""Which sessions a node gets from the mesh and from BGPPeers."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import Any

import pytest
from leafspine_embedded.calico.model import BgpConfiguration, Node
from leafspine_embedded.calico.peers import Session, sessions_of, split_peer_ip, unsupported_fields

NODES = [
    Node("w0", {"rack": "rack0"}, IPv4Interface("10.1.5.10/24"), 65005),
    Node("w1", {"rack": "rack0"}, IPv4Interface("10.1.5.11/24"), 65005),
    Node("w2", {"rack": "rack1"}, IPv4Interface("10.1.8.10/24"), 65008),
    Node("dark", {"rack": "rack1"}),
]
NO_MESH = BgpConfiguration(mesh=False)


def peer(name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


def sessions(node: int, *peers: dict[str, Any], config: BgpConfiguration = NO_MESH) -> list[Session]:
    return list(sessions_of(NODES[node], NODES, peers, config))


LEAF0 = peer("rack0-to-leaf0", asNumber=65005, nodeSelector="rack == 'rack0'", peerIP="10.1.5.1")


def test_a_selected_node_has_the_session_and_another_has_not() -> None:
    (session,) = sessions(0, LEAF0)
    assert (session.name, str(session.address), session.asn, session.passive) == ("Node_10_1_5_1", "10.1.5.1", 65005, False)
    assert sessions(2, LEAF0) == []


def test_the_mesh_joins_nodes_that_have_an_address_and_only_while_it_is_on() -> None:
    found = sessions(0, config=BgpConfiguration())
    assert [(s.name, s.asn, s.passive) for s in found] == [("Mesh_10_1_5_11", 65005, True), ("Mesh_10_1_8_10", 65008, True)]
    assert [s.passive for s in sessions(2, config=BgpConfiguration())] == [False, False]  # one side of each session listens
    assert sessions(0) == []
    assert sessions(3, config=BgpConfiguration()) == []


def test_a_route_reflector_node_is_outside_the_mesh() -> None:
    nodes = [NODES[0], Node("rr", {}, IPv4Interface("10.1.5.20/24"), 65005, cluster_id="1.0.0.1")]
    assert list(sessions_of(nodes[0], nodes, [], BgpConfiguration())) == []
    assert list(sessions_of(nodes[1], nodes, [], BgpConfiguration())) == []


def test_a_peer_for_all_nodes_is_called_global() -> None:
    assert [s.name for s in sessions(2, peer(asNumber=64999, peerIP="10.9.9.9"))] == ["Global_10_9_9_9"]


def test_a_port_is_part_of_the_name_and_of_the_neighbour() -> None:
    (session,) = sessions(0, peer(asNumber=1, peerIP="10.9.9.9:1790"))
    assert (session.name, session.port) == ("Global_10_9_9_9_port_1790", 1790)


def test_peer_selector_makes_both_directions_unless_manual() -> None:
    wanted = peer(nodeSelector="rack == 'rack0'", peerSelector="rack == 'rack1'")
    assert [s.name for s in sessions(0, wanted)] == ["Node_10_1_8_10"]
    assert [s.name for s in sessions(2, wanted)] == ["Node_10_1_5_10", "Node_10_1_5_11"]
    manual = peer(nodeSelector="rack == 'rack0'", peerSelector="rack == 'rack1'", reversePeering="Manual")
    assert [s.name for s in sessions(0, manual)] == ["Node_10_1_8_10"]
    assert sessions(2, manual) == []


def test_the_node_itself_is_never_its_own_peer() -> None:
    assert sessions(0, peer(asNumber=65005, peerIP="10.1.5.10")) == []


def test_one_neighbour_gives_one_session_and_the_peer_beats_the_mesh() -> None:
    found = sessions(0, peer(asNumber=65005, node="w0", peerIP="10.1.5.11"), peer("q", asNumber=65005, peerIP="10.1.5.11"), config=BgpConfiguration())
    assert [s.name for s in found] == ["Mesh_10_1_8_10", "Node_10_1_5_11"]


@pytest.mark.parametrize(
    ("spec", "next_hop"),
    [
        ({"asNumber": 1}, "auto"),
        ({"asNumber": 1, "keepOriginalNextHop": True}, "keep"),
        ({"asNumber": 65005, "keepOriginalNextHop": True}, "auto"),  # within one AS the next hop is kept anyway
        ({"asNumber": 65005, "nextHopMode": "Self"}, "self"),
        ({"asNumber": 1, "nextHopMode": "Auto"}, "auto"),
    ],
)
def test_next_hop(spec: dict[str, Any], next_hop: str) -> None:
    assert sessions(0, peer(peerIP="10.9.9.9", **spec))[0].next_hop == next_hop


def test_what_the_engine_does_not_have_gives_no_session_and_is_named() -> None:
    bad = peer(asNumber=1, peerIP="10.9.9.9", filters=["f"])
    assert sessions(0, bad) == []
    assert unsupported_fields(bad) == ("filters",)
    assert unsupported_fields(LEAF0) == ()


@pytest.mark.parametrize("text", ["10.1.5", "10.1.5.1:0", "10.1.5.1:70000", "10.1.5.1:x", "300.1.1.1"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        split_peer_ip(text)
