"""What drills expect of single routers: each claim with the observation that refutes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import drill_expect
from ansible_collections.leafspine.calico.plugins.module_utils.checks import failed
from observed_lab import healthy, observed

STEPS = [{"name": "break", "do": "configure", "at": 1000.0}, {"name": "look", "do": "expect", "at": 2000.0}]


def judged(step: dict[str, Any], change: Callable[[Any], object] | None = None, before: Callable[[Any], object] | None = None) -> list[str]:
    """What is false about a step's expectations on a healthy lab after one change of what leaf0 answers; marks have their own change."""
    lab = healthy()
    looks = []
    for one in (change, before):
        copy = healthy()
        if one is not None:
            one(copy["tables"]["leaf0"])
        looks.append(observed(copy)["routers"])
    found = drill_expect.step_checks(step, lab["fabric"], observed(lab)["look"]["view"], STEPS, looks[0], looks[1])
    assert found
    return [f"{one['where']}: {one['what']}: {one['expected']}, {one['found']}" for one in failed(found)]


def spine0(answers: Any) -> Any:
    peers = answers["sessions"]["ipv4Unicast"]["peers"]
    return next(peer for address, peer in peers.items() if address == session()["address"])


def session() -> Any:
    leaf = next(router for router in healthy()["fabric"]["routers"] if router["name"] == "leaf0")
    return next(one for one in leaf["neighbors"] if one["device"] == "spine0")


def wish(**more: Any) -> dict[str, Any]:
    return {"sessions": [{"router": "leaf0", "with": "spine0"} | more]}


def test_a_session_that_must_be_up() -> None:
    assert judged(wish(established=True)) == []
    found = judged(wish(established=True), lambda answers: spine0(answers).update(state="Active"))
    assert found == [f"leaf0: session with spine0 ({session()['address']}): Established, Active"]


def test_a_session_that_must_be_back_in_time() -> None:
    def back(at: int) -> Callable[[Any], object]:
        return lambda answers: spine0(answers).update(peerUptimeEstablishedEpoch=at)

    assert judged(wish(established=True, within=10, anew=True), back(1008)) == []
    assert "seconds until it was back: at most 10, 11" in judged(wish(established=True, within=10), back(1011))[0]
    assert "begun after what was done: yes, no" in judged(wish(established=True, anew=True), back(999))[0]


def test_a_session_that_must_never_be_up() -> None:
    def down(times: int) -> Callable[[Any], object]:
        return lambda answers: spine0(answers).update(state="Active", connectionsEstablished=times)

    assert judged(wish(established=False), down(1), down(1)) == []
    assert "not Established, Established" in judged(wish(established=False))[0]
    assert "times it was Established since the look before: 1, 2" in judged(wish(established=False), down(2), down(1))[0]


def test_routes_that_avoid_a_spine() -> None:
    step = {"avoids": [{"router": "leaf0", "spine": "spine0"}]}
    assert all("without spine0" in line for line in judged(step)) and len(judged(step)) >= 2

    def drained(answers: Any) -> None:
        for entry in answers["routes"]:
            hops = entry.pop("nexthops", None)
            if hops:
                entry.update(next(hop for hop in hops if hop["gateway"] != session()["address"]))

    assert judged(step, drained) == []


def test_a_next_hop() -> None:
    assert judged({"hops": [{"router": "leaf0", "contains": session()["address"]}]}) == []
    assert "a next hop 203.0.113.2" in judged({"hops": [{"router": "leaf0", "contains": "203.0.113.2"}]})[0]


def test_a_table_that_must_not_change_and_one_that_must() -> None:
    def later(answers: Any) -> None:
        answers["table"]["tableVersion"] += 2

    assert judged({"unchanged": ["leaf0"]}) == []
    assert judged({"changed": ["leaf0"]}, later) == []
    assert judged({"unchanged": ["leaf0"]}, later) == ["leaf0: changes of the BGP table: 0, 2"]
    assert judged({"changed": ["leaf0"]}) == ["leaf0: changes of the BGP table: at least 1, 0"]
    assert "kernel routes that differ" in judged({"unchanged": ["leaf0"]}, lambda answers: answers["routes"].pop())[0]


def test_only_named_routers_are_judged_and_a_silent_one_is_a_finding() -> None:
    lab = healthy()
    looks = {"leaf0": {"msg": "timed out"}, "spine0": {"msg": "timed out"}}
    found = drill_expect.step_checks(wish(established=True), lab["fabric"], {}, STEPS, looks, {})
    assert [one["where"] for one in failed(found)] == ["leaf0"]


# --- the picture -------------------------------------------------------------------------------------------------------------


def test_the_two_pictures() -> None:
    shared, apart = {"flows": 16, "shared": 16}, {"flows": 16, "shared": 0}
    for now, step, before, holds in (
        (shared, {}, None, True),
        (apart, {}, None, True),
        ({"flows": 16, "shared": 7}, {}, None, False),
        (apart, {"other": True}, shared, True),
        (shared, {"other": True}, apart, True),
        (shared, {"other": True}, shared, False),
        ({"flows": 3, "shared": 3}, {}, None, False),
    ):
        assert (failed(drill_expect.picture_checks(now, step, before)) == []) is holds


def test_the_picture_is_what_both_leaves_predict() -> None:
    lab = healthy()
    seen = observed(lab)
    picture = drill_expect.picture(lab["fabric"], seen["look"]["view"], {})
    assert picture == {"flows": 0, "shared": 0}


def test_the_first_next_hop_is_put_behind() -> None:
    lab = healthy()
    lines = drill_expect.reorder(lab["fabric"], "leaf1")
    leaf = next(router for router in lab["fabric"]["routers"] if router["name"] == "leaf1")
    hops = {one["address"]: one["device"] for one in leaf["neighbors"] if not one["route_reflector_client"]}
    first = min(hops, key=lambda text: [int(part) for part in text.split(".")])
    assert [one["router"] for one in lines] == [hops[first], "leaf1"]
    assert f"set protocols bgp neighbor {first} address-family ipv4-unicast route-map import leafspine-drill" in lines[1]["lines"]


def test_the_rule_drops_by_bytes_exactly_so_many_records() -> None:
    flows = [{"protocol": "tcp", "port": 1, "server_port": 2}, {"protocol": "udp", "port": 43000, "server_port": 42000}]
    text = drill_expect.drop_rule(flows, 25)
    assert "udp sport 43000 udp dport 42000 @th,112,16 1 quota until 1100 bytes counter drop" in text
