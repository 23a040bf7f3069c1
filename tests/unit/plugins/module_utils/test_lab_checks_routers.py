"""What breaks on a router is named, alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import checks, lab_checks, router_checks
from observed_lab import Lab, findings, healthy, observed

Change = Callable[[Lab], object]


def routes(lab: Lab, router: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab["tables"][router]["routes"]
    return found


def route(lab: Lab, router: str, prefix: str) -> dict[str, Any]:
    return next(one for one in routes(lab, router) if one["dst"] == prefix)


def peer(lab: Lab, router: str, address: str) -> dict[str, Any]:
    found: dict[str, Any] = lab["tables"][router]["sessions"]["ipv4Unicast"]["peers"][address]
    return found


def detail(lab: Lab, router: str, address: str) -> dict[str, Any]:
    found: dict[str, Any] = lab["tables"][router]["neighbors"][address]
    return found


def bfd(lab: Lab, router: str, address: str) -> dict[str, Any]:
    return next(one for one in lab["tables"][router]["bfd"] if one["peer"] == address)


def lose_filter_entry(lab: Lab) -> None:
    """As FRR does with an entry whose ge is not above the prefix's length."""
    entry = '"prefix":"10.246.0.0/16",\n          "minimumPrefixLength":20'
    filters = lab["tables"]["leaf0"]["filters"]
    assert filters.count(entry) == 2
    lab["tables"]["leaf0"]["filters"] = filters.replace(entry, '"prefix":"10.246.0.0/16",\n          "minimumPrefixLength":8')


def link(lab: Lab, router: str, name: str) -> dict[str, Any]:
    return next(one for one in lab["tables"][router]["interfaces"] if one["ifname"] == name)


def lose_next_hop(lab: Lab) -> None:
    """As FRR 8.4.4 with kernel next-hop objects leaves it after a flap."""
    entry = route(lab, "leaf0", "10.133.8.0/24")
    entry.update(entry.pop("nexthops")[0])


def dead_next_hop(lab: Lab) -> None:
    route(lab, "leaf0", "10.133.8.0/24")["nexthops"][1]["flags"] = ["dead", "linkdown"]


ROUTERS: dict[str, tuple[Change, list[str]]] = {
    "a session that is down": (
        lambda lab: peer(lab, "leaf0", "10.133.10.2").update(state="Active"),
        ["leaf0: session with spine0 (10.133.10.2): expected Established, found Active"],
    ),
    "a node's session that is down": (
        lambda lab: peer(lab, "leaf1", "10.133.8.11").update(state="Connect"),
        ["leaf1: session with worker3 (10.133.8.11): expected Established, found Connect"],
    ),
    "another AS at the other end": (
        lambda lab: peer(lab, "spine1", "10.133.12.1").update(remoteAs=65009),
        ["spine1: session with leaf0 (10.133.12.1): expected AS 65005, found AS 65009"],
    ),
    "timers of one end": (
        lambda lab: detail(lab, "spine0", "10.133.10.1").update(bgpTimerHoldTimeMsecs=180000, bgpTimerKeepAliveIntervalMsecs=60000),
        [
            "spine0: timers of the session with leaf0 (10.133.10.1): expected keepalive 3 s, hold time 9 s, found keepalive 60 s, hold time 180 s",
        ],
    ),
    "no password": (
        lambda lab: detail(lab, "leaf0", "10.133.12.2").pop("authenticationEnabled"),
        ["leaf0: password of the session with spine1 (10.133.12.2): expected set, found none"],
    ),
    "a password that nobody intends": (
        lambda lab: detail(lab, "leaf0", "10.133.5.10").update(authenticationEnabled=1),
        ["leaf0: password of the session with control-plane (10.133.5.10): expected none, found set"],
    ),
    "BFD that is down": (
        lambda lab: bfd(lab, "leaf0", "10.133.10.2").update(status="down"),
        ["leaf0: BFD of the session with spine0 (10.133.10.2): expected up, 3 x 50 ms, found down, 3 x 50 ms"],
    ),
    "slow BFD": (
        lambda lab: bfd(lab, "leaf0", "10.133.10.2").update({"receive-interval": 300, "transmit-interval": 300}),
        ["leaf0: BFD of the session with spine0 (10.133.10.2): expected up, 3 x 50 ms, found up, 3 x 300 ms"],
    ),
    "no bfdd": (
        lambda lab: lab["tables"]["spine0"].update(bfd="bfdd is not running"),
        [
            "spine0: BFD of the session with leaf0 (10.133.10.1): expected up, 3 x 50 ms, found none",
            "spine0: BFD of the session with leaf1 (10.133.34.1): expected up, 3 x 50 ms, found none",
        ],
    ),
    "a leaf that believes everything": (
        lambda lab: detail(lab, "leaf0", "10.133.5.11")["addressFamilyInfo"]["ipv4Unicast"].pop("routeMapForIncomingAdvertisements"),
        [
            "leaf0: import filter of the session with worker (10.133.5.11): expected LEAFSPINE-NODES, at most 1000 prefixes, found none, at most 1000 prefixes",
        ],
    ),
    "a leaf that takes any number": (
        lambda lab: detail(lab, "leaf0", "10.133.5.11")["addressFamilyInfo"]["ipv4Unicast"].pop("prefixAllowedMax"),
        [
            "leaf0: import filter of the session with worker (10.133.5.11): "
            "expected LEAFSPINE-NODES, at most 1000 prefixes, found LEAFSPINE-NODES, any number of prefixes",
        ],
    ),
    "another entry in the filter": (
        lose_filter_entry,
        [
            "leaf0: prefixes that nodes may announce: "
            "expected permit 10.246.0.0/16 ge 20 le 32; permit 10.98.0.0/16; permit 10.98.0.0/16 ge 32 le 32, "
            "found permit 10.246.0.0/16 ge 8 le 32; permit 10.98.0.0/16; permit 10.98.0.0/16 ge 32 le 32",
        ],
    ),
    "no filter in the daemon": (
        lambda lab: lab["tables"]["leaf0"].update(filters='{"ZEBRA": {}} {"BGP": {}}'),
        [
            "leaf0: prefixes that nodes may announce: "
            "expected permit 10.246.0.0/16 ge 20 le 32; permit 10.98.0.0/16; permit 10.98.0.0/16 ge 32 le 32, found none",
        ],
    ),
    "a neighbour that is missing": (
        lambda lab: lab["tables"]["spine1"]["sessions"]["ipv4Unicast"]["peers"].pop("10.133.12.1"),
        ["spine1: session with leaf0 (10.133.12.1): expected Established, found no such neighbour"],
    ),
    "a neighbour that nobody intends": (
        lambda lab: lab["tables"]["leaf0"]["sessions"]["ipv4Unicast"]["peers"].update({"10.133.5.99": {"state": "Active", "remoteAs": 1}}),
        ["leaf0: neighbours that nobody intends: expected none, found 10.133.5.99"],
    ),
    "no BGP at all": (
        lambda lab: lab["tables"]["spine0"].update(sessions={}),
        [
            "spine0: AS number: expected 500, found no BGP",
            "spine0: session with leaf0 (10.133.10.1): expected Established, found no such neighbour",
            "spine0: session with leaf1 (10.133.34.1): expected Established, found no such neighbour",
        ],
    ),
    "one of two next hops": (lose_next_hop, ["leaf0: route 10.133.8.0/24: expected via 10.133.10.2 10.133.12.2, found via 10.133.10.2"]),
    "a next hop on a dead link": (dead_next_hop, ["leaf0: route 10.133.8.0/24: expected via 10.133.10.2 10.133.12.2, found via 10.133.10.2"]),
    "a missing route": (
        lambda lab: routes(lab, "spine0").remove(route(lab, "spine0", "10.133.8.0/24")),
        ["spine0: route 10.133.8.0/24: expected via 10.133.34.1, found no route"],
    ),
    "a route that hides another": (
        lambda lab: routes(lab, "spine0").append({"dst": "10.133.8.0/24", "gateway": "10.133.10.1", "dev": "eth1", "metric": 5, "flags": []}),
        ["spine0: route 10.133.8.0/24: expected via 10.133.34.1, found via 10.133.34.1 and via 10.133.10.1"],
    ),
    "a foreign route": (
        lambda lab: routes(lab, "leaf1").append({"dst": "192.0.2.0/24", "gateway": "10.133.34.2", "dev": "eth1", "protocol": "bgp", "flags": []}),
        ["leaf1: route 192.0.2.0/24: expected no such route, found via 10.133.34.2 (proto bgp)"],
    ),
    "a default route through the fabric": (
        lambda lab: routes(lab, "leaf1").append({"dst": "default", "gateway": "10.133.34.2", "dev": "eth1", "protocol": "static", "flags": []}),
        ["leaf1: route default: expected no such route, found via 10.133.34.2 (proto static)"],
    ),
    "a fabric prefix through management": (
        lambda lab: route(lab, "spine0", "10.133.8.0/24").update(gateway="172.29.48.1", dev="eth0"),
        ["spine0: route 10.133.8.0/24: expected via 10.133.34.1, found via 172.29.48.1"],
    ),
    "a blackhole": (
        lambda lab: route(lab, "spine0", "10.133.8.0/24").update(type="blackhole"),
        ["spine0: route 10.133.8.0/24: expected via 10.133.34.1, found blackhole"],
    ),
    "an MTU": (lambda lab: link(lab, "leaf0", "eth2").update(mtu=1400), ["leaf0: eth2 MTU: expected 1500, found 1400"]),
    "an address": (
        lambda lab: link(lab, "leaf0", "eth2")["addr_info"][0].update(local="10.133.12.9"),
        ["leaf0: eth2 address: expected 10.133.12.1/24, found 10.133.12.9/24"],
    ),
    "a second address": (
        lambda lab: link(lab, "leaf0", "eth3")["addr_info"].append({"family": "inet", "local": "10.133.5.2", "prefixlen": 24}),
        ["leaf0: eth3 address: expected 10.133.5.1/24, found 10.133.5.1/24 10.133.5.2/24"],
    ),
    "an address where none belongs": (
        lambda lab: lab["tables"]["leaf0"]["interfaces"].append(
            {"ifname": "dum0", "flags": ["UP"], "mtu": 1500, "addr_info": [{"family": "inet", "local": "192.0.2.1", "prefixlen": 32}]}
        ),
        ["leaf0: addresses on other interfaces: expected none, found dum0 192.0.2.1/32"],
    ),
    "a link without carrier": (lambda lab: link(lab, "spine1", "eth2")["flags"].remove("LOWER_UP"), ["spine1: eth2 state: expected up, found down"]),
    "a line that nobody intends": (
        lambda lab: lab["drift"].update(leaf0=["delete nat source rule 200"]),
        ["leaf0: configuration nat source rule 200: expected no such line, found this line"],
    ),
    "a line that is missing": (
        lambda lab: lab["drift"].update(leaf0=["set system ip multipath layer4-hashing"]),
        ["leaf0: configuration system ip multipath layer4-hashing: expected this line, found no such line"],
    ),
    "an AS path": (
        lambda lab: lab["tables"]["leaf0"]["table"]["routes"]["10.133.11.0/24"][0].update(path="500 500 65008"),
        [
            "leaf0: BGP paths to 10.133.11.0/24: expected 10.133.10.2 [500 65008]; 10.133.12.2 [800] used, "
            "found 10.133.10.2 [500 500 65008]; 10.133.12.2 [800] used",
        ],
    ),
    "a prefix in a BGP table that nobody announces": (
        lambda lab: lab["tables"]["spine0"]["table"]["routes"].update(
            {"192.0.2.0/24": [{"valid": True, "bestpath": True, "path": "65005", "nexthops": [{"ip": "10.133.10.1"}]}]}
        ),
        ["spine0: BGP paths to 192.0.2.0/24: expected not in the table, found 10.133.10.1 [65005] used"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), ROUTERS.values(), ids=ROUTERS)
def test_what_breaks_on_a_router_is_named_alone(change: Change, expected: list[str]) -> None:
    assert findings(change) == expected


@pytest.mark.parametrize("answer", ["% BGP instance not found", "", "[{"])
def test_an_answer_that_cannot_be_read_is_a_finding(answer: str) -> None:
    found = findings(lambda lab: lab["tables"]["leaf0"].update(routes=answer))
    assert found[0].startswith("leaf0: answer: expected readable, found ")


def test_a_router_that_does_not_answer_is_a_finding() -> None:
    lab = healthy()
    seen = observed(lab)
    seen["routers"]["leaf0"] = {"failed": True, "msg": "timed out"}
    lines = checks.lines(lab_checks.lab_checks(seen, lab["fabric"]))
    assert lines[0].startswith("leaf0: answer: expected readable, found ")
    assert "timed out" in lines[0]


# --- a table judged without the others' choices ------------------------------------------------------------------------------------


def lone(change: Change | None = None, router: str = "spine1") -> list[str]:
    lab = healthy()
    if change is not None:
        change(lab)
    seen = observed(lab)
    intent = next(one for one in lab["fabric"]["routers"] if one["name"] == router)
    found = router_checks.lone_table_checks(intent, lab["fabric"], seen["routers"][router]["stdout"], seen["look"]["view"]["announced"])
    return [check["found"] for check in checks.failed(found)]


def paths(lab: Lab, router: str, prefix: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab["tables"][router]["table"]["routes"][prefix]
    return found


@pytest.mark.parametrize("router", ["leaf0", "leaf1", "spine0", "spine1"])
def test_a_healthy_table_is_settled(router: str) -> None:
    assert lone(router=router) == []


def test_a_path_that_depends_on_another_s_choice_may_be_missing() -> None:
    """A leaf tells one spine of the valley through the other one: which spine, depends on its choice among both."""
    lab = healthy()
    valleys = [
        (router, prefix, path["path"])
        for router in ("spine0", "spine1")
        for prefix, several in lab["tables"][router]["table"]["routes"].items()
        for path in several
        if len(path["path"].split()) == 3
    ]
    assert valleys
    for router, prefix, text in valleys:

        def forget(lab: Lab, router: str = router, prefix: str = prefix, text: str = text) -> None:
            paths(lab, router, prefix)[:] = [one for one in paths(lab, router, prefix) if one["path"] != text]

        assert lone(forget, router) == []


def test_a_path_that_is_there_in_any_case_must_not_be_missing() -> None:
    """As for a moment after a link is back."""
    valley = [one for one in paths(healthy(), "spine1", "10.133.34.0/24") if one["path"] == "65005 500"]
    assert len(valley) == 1
    assert lone(lambda lab: paths(lab, "spine1", "10.133.34.0/24").remove(valley[0])) == ["10.133.34.0/24"]


def test_a_path_that_no_choice_explains_must_not_be_there() -> None:
    stray = {"valid": True, "path": "65005 65005", "nexthops": [{"ip": "10.133.12.1"}]}
    assert lone(lambda lab: paths(lab, "spine1", "10.133.8.0/24").append(stray)) == ["10.133.8.0/24"]
    assert lone(lambda lab: lab["tables"]["spine1"]["table"]["routes"].update({"192.0.2.0/24": [stray]})) == ["192.0.2.0/24"]
