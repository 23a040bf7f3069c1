"""Two routers: what the configuration says about BFD, passwords, limits, filters and timers is what happens. Each test has its negative twin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.leafspine.calico.tests.integration.containerlab_lab import wait_until
from ansible_collections.leafspine.calico.tests.integration.helpers.frr_boxes import boxes, running, show, tree, within
from leafspine_embedded.common import process
from leafspine_embedded.vyos import frrdiff, render
from leafspine_embedded.vyos.apply import Box

pytestmark = pytest.mark.root
HERE, THERE = "10.66.0.1", "10.66.0.2"
NETWORKS = [f"10.66.{number}.0/24" for number in range(1, 6)]
PEER = f"set protocols bgp neighbor {THERE}"
FAST = [f"set protocols bfd profile fast interval {name} {value}" for name, value in (("receive", 300), ("transmit", 300), ("multiplier", 3))]
DETECTION = 0.9  # seconds: three intervals of 300 ms
DROP = "table inet lost {\n chain input { type filter hook input priority -300; iifname eth1 drop; }\n}\n"


def speaker(address: str, other: str, asn: int, remote: int, *lines: str) -> list[str]:
    """A router with one eBGP session over eth1 that tries again every second."""
    peer = f"set protocols bgp neighbor {other}"
    return [
        f"set interfaces ethernet eth1 address {address}/30",
        f"set protocols bgp system-as {asn}",
        f"set protocols bgp parameters router-id {address}",
        f"{peer} remote-as {remote}",
        f"{peer} timers connect 1",
        f"{peer} address-family ipv4-unicast",
        *lines,
    ]


def here(*lines: str) -> list[str]:
    return speaker(HERE, THERE, 65001, 65002, *lines)


def there(*lines: str) -> list[str]:
    """The other router; it announces five networks."""
    networks = [f"set protocols bgp address-family ipv4-unicast network {network}" for network in NETWORKS]
    return speaker(THERE, HERE, 65002, 65001, *networks, *lines)


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Box, Box]]:
    with boxes("leafspine-tb-vp", ["tb-vp1", "tb-vp2"]) as (one, two):
        yield one, two


@pytest.fixture
def pair(both: tuple[Box, Box]) -> tuple[Box, Box]:
    """The two with an established plain session."""
    one, two = both
    configure(one, *here())
    configure(two, *there())
    wait_until("a session", lambda: established(one) and set(accepted(one)) == set(NETWORKS))
    return one, two


def configure(box: Box, *lines: str) -> None:
    """Commit exactly these lines, and see that FRR shows what the renderer meant."""
    wanted = tree(*lines)
    box.commit(wanted)
    assert running(box).lines() == frrdiff.parse(render.frr_config(wanted)).lines()
    assert not box.tolerated


def neighbor(box: Box) -> dict[str, Any]:
    return dict(next(iter(show(box, "show bgp neighbors").values())))


def established(box: Box) -> bool:
    return neighbor(box)["bgpState"] == "Established"


def accepted(box: Box) -> list[str]:
    """Prefixes learned from the neighbour."""
    return [prefix for prefix, paths in show(box, "show bgp ipv4 unicast")["routes"].items() if any(path["pathFrom"] == "external" for path in paths)]


def bfd(box: Box) -> str:
    peers = show(box, "show bfd peers", "bfdd")
    return str(peers[0]["status"]) if peers else "none"


def test_bfd_takes_the_session_down_in_three_intervals(pair: tuple[Box, Box]) -> None:
    one, two = pair
    configure(one, *here(*FAST, f"{PEER} bfd profile fast"))
    configure(two, *there(*FAST, f"set protocols bgp neighbor {HERE} bfd profile fast"))
    wait_until("BFD up", lambda: bfd(one) == bfd(two) == "up" and established(one))
    assert {path.name for path in (one.directory / "frr").iterdir()} >= {"bfdd.vty", "bfdd.sock"}
    status = show(one, "show bfd peers", "bfdd")[0]
    assert (status["receive-interval"], status["transmit-interval"], status["detect-multiplier"]) == (300, 300, 3)
    within(one, "nft", "-f", "-", text=DROP)
    try:
        begin = time.monotonic()
        wait_until("the session is down", lambda: not established(one), timeout=30, every=0.01)
        took = time.monotonic() - begin
        # The hold time is 180 s, so only BFD can have done it; a second for the polls of a busy machine.
        assert took < DETECTION + 1.0
        assert neighbor(one)["lastNotificationReason"] == "Cease/BFD Down"
        print(f"BFD 3 x 300 ms: session down after {took:.2f} s")
    finally:
        within(one, "nft", "delete", "table", "inet", "lost")
    wait_until("the session is back", lambda: bfd(one) == "up" and established(one))


def test_without_bfd_the_same_loss_is_not_noticed(pair: tuple[Box, Box]) -> None:
    one, _ = pair
    within(one, "nft", "-f", "-", text=DROP)
    try:
        time.sleep(DETECTION + 1.0)
        assert established(one)
    finally:
        within(one, "nft", "delete", "table", "inet", "lost")


def test_bfd_needs_both_sides(pair: tuple[Box, Box]) -> None:
    one, _ = pair
    configure(one, *here(f"{PEER} bfd"))
    wait_until("BFD is asked for", lambda: bfd(one) != "none")
    time.sleep(DETECTION)
    assert bfd(one) == "down"
    configure(one, *here())
    wait_until("no BFD session is left", lambda: bfd(one) == "none")


def test_bfd_peers_without_bgp_and_its_daemon_s_rights(pair: tuple[Box, Box]) -> None:
    one, two = pair
    configure(one, *here(f"set protocols bfd peer {THERE} interval transmit 200", f"set protocols bfd peer {THERE} source address {HERE}"))
    configure(two, *there(f"set protocols bfd peer {HERE} source address {THERE}"))
    wait_until("BFD up", lambda: bfd(one) == bfd(two) == "up")
    assert show(one, "show bfd peers", "bfdd")[0]["transmit-interval"] == 200
    owners = within(one, "ps", "-o", "user=", "-p", str(process.pid(one.directory, "bfdd"))).split()
    assert owners == ["frr"]
    configure(two, *there(f"set protocols bfd peer {HERE} source address {THERE}", f"set protocols bfd peer {HERE} shutdown"))
    wait_until("BFD down", lambda: bfd(one) == "down")


def test_a_wrong_password_never_establishes(pair: tuple[Box, Box]) -> None:
    one, two = pair
    configure(one, *here(f"{PEER} password s3cret"))
    configure(two, *there(f"set protocols bgp neighbor {HERE} password s3cret"))
    wait_until("a session with passwords", lambda: established(one) and established(two))
    uptime = neighbor(one)["bgpTimerUpEstablishedEpoch"]
    configure(one, *here(f"{PEER} password wrong"))
    seen = set()
    for _ in range(40):
        seen.add(neighbor(one)["bgpState"])
        time.sleep(0.1)
    assert "Established" not in seen
    failures = dict(zip(*(line.split() for line in within(two, "grep", "^TcpExt", "/proc/net/netstat").splitlines()), strict=True))
    assert int(failures["TCPMD5Failure"]) > 0
    configure(one, *here(f"{PEER} password s3cret"))
    wait_until("the right one establishes", lambda: established(one))
    assert neighbor(one)["bgpTimerUpEstablishedEpoch"] >= uptime


def test_a_password_on_one_side_only_never_establishes(pair: tuple[Box, Box]) -> None:
    one, _ = pair
    configure(one, *here(f"{PEER} password s3cret"))
    wait_until("the session ends", lambda: not established(one))
    time.sleep(2)
    assert not established(one)
    configure(one, *here())
    wait_until("without it it comes back", lambda: established(one))


def test_maximum_prefix(pair: tuple[Box, Box]) -> None:
    one, _ = pair
    configure(one, *here(f"{PEER} address-family ipv4-unicast maximum-prefix {len(NETWORKS)}"))
    time.sleep(1)
    assert established(one)
    configure(one, *here(f"{PEER} address-family ipv4-unicast maximum-prefix {len(NETWORKS) - 1}"))
    wait_until("too many prefixes end the session", lambda: not established(one))
    assert neighbor(one)["lastNotificationReason"] == "Cease/Maximum Number of Prefixes Reached"
    wait_until("nothing of it stays", lambda: accepted(one) == [])


LIST = [
    "set policy prefix-list IN rule 10 action permit",
    f"set policy prefix-list IN rule 10 prefix {NETWORKS[0]}",
    "set policy prefix-list IN rule 20 action deny",
    f"set policy prefix-list IN rule 20 prefix {NETWORKS[1]}",
    "set policy prefix-list IN rule 30 action permit",
    "set policy prefix-list IN rule 30 prefix 10.66.2.0/23",
    "set policy prefix-list IN rule 30 le 24",
]
AF = f"{PEER} address-family ipv4-unicast"


def test_import_prefix_list(pair: tuple[Box, Box]) -> None:
    one, _ = pair
    configure(one, *here(*LIST, f"{AF} prefix-list import IN"))
    wait_until("only what the list permits", lambda: sorted(accepted(one)) == [NETWORKS[0], NETWORKS[2]])
    configure(one, *here(*LIST))
    wait_until("everything without it", lambda: set(accepted(one)) == set(NETWORKS))


def test_export_prefix_list(pair: tuple[Box, Box]) -> None:
    one, two = pair
    export = f"set protocols bgp neighbor {HERE} address-family ipv4-unicast prefix-list export IN"
    configure(two, *there(*LIST, export))
    wait_until("only what the list permits is sent", lambda: sorted(accepted(one)) == [NETWORKS[0], NETWORKS[2]])
    assert established(two)


def test_route_map_with_lists(pair: tuple[Box, Box]) -> None:
    """The neighbour tags two networks; what carries the tag and comes straight from AS 65002 gets a preference, the rest is dropped."""
    one, two = pair
    tags = [
        *("set policy prefix-list TWO rule 1 action permit", "set policy prefix-list TWO rule 1 prefix 10.66.2.0/23"),
        "set policy prefix-list TWO rule 1 le 24",
        *("set policy route-map OUT rule 10 action permit", "set policy route-map OUT rule 10 match ip address prefix-list TWO"),
        "set policy route-map OUT rule 10 set community add 65002:7",
        "set policy route-map OUT rule 20 action permit",
        f"set protocols bgp neighbor {HERE} address-family ipv4-unicast route-map export OUT",
    ]
    chosen = [
        *("set policy community-list SEVEN rule 1 action permit", "set policy community-list SEVEN rule 1 regex '^65002:7$'"),
        *("set policy as-path-list NEAR rule 1 action permit", "set policy as-path-list NEAR rule 1 regex '^65002$'"),
        *("set policy route-map IN rule 10 action permit", "set policy route-map IN rule 10 match community community-list SEVEN"),
        *("set policy route-map IN rule 10 match as-path NEAR", "set policy route-map IN rule 10 set local-preference 250"),
        f"{AF} route-map import IN",
    ]
    configure(two, *there(*tags))
    configure(one, *here(*chosen))
    wait_until("only tagged routes", lambda: sorted(accepted(one)) == NETWORKS[1:3])
    assert {path["locPrf"] for paths in show(one, "show bgp ipv4 unicast")["routes"].values() for path in paths} == {250}
    configure(two, *there())
    wait_until("no tag, no route", lambda: accepted(one) == [])


def test_timers_and_options_of_a_neighbour(pair: tuple[Box, Box]) -> None:
    one, two = pair
    options = [
        *(f"{PEER} timers keepalive 2", f"{PEER} timers holdtime 6", f"{PEER} advertisement-interval 3"),
        *(f"{PEER} graceful-restart enable", "set protocols bgp parameters graceful-shutdown"),
        "set protocols bgp address-family ipv4-unicast network 10.67.0.0/24",
    ]
    configure(one, *here(*options))
    state = neighbor(one)
    assert (state["bgpTimerConfiguredHoldTimeMsecs"], state["bgpTimerConfiguredKeepAliveIntervalMsecs"]) == (6000, 2000)
    assert state["minBtwnAdvertisementRunsTimerMsecs"] == 3000
    within(one, "ip", "link", "set", "eth1", "down")
    within(one, "ip", "link", "set", "eth1", "up")
    wait_until("a session with the new timers", lambda: established(one) and neighbor(one)["bgpTimerHoldTimeMsecs"] == 6000)
    gone = lambda: show(two, "show bgp ipv4 unicast 10.67.0.0/24")  # noqa: E731
    wait_until("graceful shutdown is told", lambda: "65535:0" in str(gone()) or "gracefulShutdown" in str(gone()))
    configure(one, *here("set protocols bgp timers keepalive 4", "set protocols bgp timers holdtime 12"))
    within(one, "ip", "link", "set", "eth1", "down")
    within(one, "ip", "link", "set", "eth1", "up")
    wait_until("the timers of all neighbours", lambda: established(one) and neighbor(one)["bgpTimerHoldTimeMsecs"] == 12000)
    assert "65535:0" not in str(gone())


def test_static_routes_reach_the_kernel(pair: tuple[Box, Box]) -> None:
    one, _ = pair
    routes = ["set protocols static route 10.68.0.0/24 blackhole", f"set protocols static route 10.68.1.0/24 next-hop {THERE}"]
    configure(one, *here(*routes, "set protocols static route 10.68.2.0/24 next-hop 10.99.0.1"))
    wait_until("routes", lambda: within(one, "ip", "route", "show", "root", "10.68.0.0/16").count("proto") == 2)
    found = within(one, "ip", "route", "show", "root", "10.68.0.0/16")
    assert "blackhole 10.68.0.0/24" in found
    assert f"10.68.1.0/24 via {THERE}" in found
    assert "10.68.2.0" not in found  # a next hop nobody can reach
    configure(one, *here())
    wait_until("no routes", lambda: within(one, "ip", "route", "show", "root", "10.68.0.0/16") == "")
