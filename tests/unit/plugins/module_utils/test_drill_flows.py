"""Which flows are measured, and what the probes' answers say about them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import drill_flows
from observed_lab import healthy, observed

API_LIMIT = 8190  # bytes of a request line that the API takes


@pytest.fixture
def lab() -> Any:
    return healthy()


@pytest.fixture
def pods(lab: Any) -> tuple[Any, Any]:
    return drill_flows.ends(lab["fabric"], observed(lab)["look"]["view"])


def answers(lab: Any, first: list[str], second: list[str]) -> dict[str, list[str]]:
    """What the leaves say about the candidates: interfaces, again and again."""
    many = drill_flows.CANDIDATES
    return {leaf: [json.dumps([{"dev": devices[number % len(devices)]}]) for number in range(many)] for leaf, devices in (("leaf0", first), ("leaf1", second))}


def test_the_pods_are_in_two_racks(lab: Any, pods: tuple[Any, Any]) -> None:
    racks = {server["name"]: server["rack"] for server in lab["fabric"]["servers"]}
    assert racks[pods[0]["server"]] != racks[pods[1]["server"]]


def test_without_pods_in_two_racks_there_is_no_drill(lab: Any) -> None:
    view = observed(lab)["look"]["view"]
    view["app"] = view["app"][:1]
    with pytest.raises(ValueError, match="pods of two racks, and there are ready ones on: "):
        drill_flows.ends(lab["fabric"], view)


def test_only_the_two_leaves_are_asked(lab: Any, pods: tuple[Any, Any]) -> None:
    asked = {router["name"]: drill_flows.way_commands(router, lab["fabric"], *pods) for router in lab["fabric"]["routers"]}
    assert {name: len(commands) for name, commands in asked.items()} == {"spine0": 0, "spine1": 0, "leaf0": 16, "leaf1": 16}
    assert f"from {pods[0]['address']} iif eth3 ipproto udp sport 43000 dport 42000" in asked["leaf0"][0]
    assert f"from {pods[1]['address']} iif eth3 ipproto udp sport 42000 dport 43000" in asked["leaf1"][0]


def test_flows_use_every_pair_of_uplinks(lab: Any, pods: tuple[Any, Any]) -> None:
    chosen = drill_flows.choose(lab["fabric"], *pods, answers(lab, ["eth1", "eth2"], ["eth1", "eth1", "eth2", "eth2"]))
    udp = [flow for flow in chosen if flow["protocol"] == "udp"]
    assert {(flow["uplink"], flow["reply_uplink"]) for flow in udp} == {("eth1", "eth1"), ("eth1", "eth2"), ("eth2", "eth1"), ("eth2", "eth2")}
    assert len({flow["port"] for flow in chosen}) == len(chosen) == 6
    assert [flow["id"] for flow in chosen] == list(range(6))


def test_an_uplink_that_would_carry_nothing_is_refused(lab: Any, pods: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="none of 16 flows would use leaf0 eth2"):
        drill_flows.choose(lab["fabric"], *pods, answers(lab, ["eth1"], ["eth1"]))


def test_a_probe_fits_into_a_request(lab: Any, pods: tuple[Any, Any]) -> None:
    from urllib.parse import quote_plus

    chosen = drill_flows.choose(lab["fabric"], *pods, answers(lab, ["eth1", "eth2"], ["eth1", "eth2"]))
    probes = drill_flows.start(*pods, chosen, 5, 300) + drill_flows.collect(*pods)
    longest = max(sum(len("command=&" + quote_plus(word)) for word in probe["command"]) for probe in probes)
    assert longest + 300 < API_LIMIT


def end(**flow: Any) -> dict[str, Any]:
    plain = {"id": 0, "sent": 100, "received": 100, "lost": 0, "duplicates": 0, "outages": [], "outages_all": 0, "stall_ms": 1.0, "stall_at": 5.0, "error": ""}
    return {"stdout": json.dumps({"flows": [plain | flow], "late_ms": 1.0})}


def test_each_direction_is_what_its_receiver_saw_of_what_its_sender_sent(pods: tuple[Any, Any]) -> None:
    chosen = [{"id": 0, "protocol": "udp", "port": 43000, "server_port": 42000, "uplink": "eth1", "reply_uplink": "eth2"}]
    gap = {"at": 7.0, "until": 7.06, "lost": 11, "gap_ms": 60.0}
    found = drill_flows.results(*pods, chosen, {"client": end(sent=120), "server": end(sent=90, received=109, outages=[gap], outages_all=1, duplicates=2)})
    request, reply = found
    assert (request["direction"], request["uplink"], request["sent"], request["lost"], request["duplicates"]) == ("request", "eth1", 120, 11, 2)
    assert (request["longest_gap_ms"], request["gap_at"]) == (60.0, 7.0)
    assert (reply["direction"], reply["uplink"], reply["sent"], reply["lost"], reply["longest_gap_ms"]) == ("reply", "eth2", 90, -10, 0.0)
    assert (request["from"], request["to"]) == (reply["to"], reply["from"]) == (pods[0]["server"], pods[1]["server"])


def test_what_is_missing_at_the_end_is_an_outage_even_if_the_receiver_was_not_told(pods: tuple[Any, Any]) -> None:
    chosen = [{"id": 0, "protocol": "udp", "port": 43000, "server_port": 42000, "uplink": "eth1", "reply_uplink": "eth2"}]
    found = drill_flows.results(*pods, chosen, {"client": end(sent=150), "server": end(received=100)})
    assert found[0]["lost"] == 50
    assert found[0]["outages"] == [{"at": None, "until": None, "lost": 50, "gap_ms": None}]


def test_the_gap_of_tcp_is_its_longest_stall(pods: tuple[Any, Any]) -> None:
    chosen = [{"id": 0, "protocol": "tcp", "port": 43016, "server_port": 42000, "uplink": None, "reply_uplink": None}]
    found = drill_flows.results(*pods, chosen, {"client": end(), "server": end(stall_ms=210.0, stall_at=9.0)})
    assert (found[0]["lost"], found[0]["longest_gap_ms"], found[0]["gap_at"]) == (0, 210.0, 9.0)


def test_an_end_without_a_result_is_said(pods: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="probe at the server's end has no result: no probe ran here"):
        drill_flows.results(*pods, [], {"client": end(), "server": {"stdout": "", "stderr": "no probe ran here"}})
