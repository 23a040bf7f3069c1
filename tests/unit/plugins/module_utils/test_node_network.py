"""Addresses and default routes of nodes: exactly what is missing is done, and undone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.node_network import NodeError, addresses, default_route, is_up, plan_absent, plan_present

NODE = {"node": "lab-worker", "interface": "net0", "address": "10.1.5.11", "prefix_length": 24, "gateway": "10.1.5.1"}
ETH0 = {"ifname": "eth0", "flags": ["UP"], "addr_info": [{"family": "inet", "local": "172.18.0.3", "prefixlen": 16, "scope": "global"}]}
DOCKER = {"dst": "default", "gateway": "172.18.0.1", "dev": "eth0"}
RACK = {"dst": "default", "gateway": "10.1.5.1", "dev": "net0"}
CONNECTED = {"dst": "172.18.0.0/16", "dev": "eth0"}


def net0(*given: str, up: bool = True, family: str = "inet", scope: str = "global") -> dict[str, Any]:
    infos = [{"family": family, "local": one.split("/")[0], "prefixlen": int(one.split("/")[1]), "scope": scope} for one in given]
    return {"ifname": "net0", "flags": ["UP"] if up else [], "addr_info": infos}


def present(link: dict[str, Any], *routes: dict[str, Any]) -> list[str]:
    return [" ".join(words) for words in plan_present(NODE, [ETH0, link], list(routes))]


def absent(link: dict[str, Any], *routes: dict[str, Any], former: dict[str, Any] | None = None) -> list[str]:
    return [" ".join(words) for words in plan_absent(NODE, [ETH0, link], list(routes), former)]


ADD = "address add 10.1.5.11/24 dev net0"
ROUTE = "route replace default via 10.1.5.1 dev net0"


def test_a_fresh_link_is_given_everything() -> None:
    assert present(net0(up=False), DOCKER, CONNECTED) == ["link set dev net0 up", ADD, ROUTE]


def test_a_node_that_has_everything_is_left_alone() -> None:
    assert present(net0("10.1.5.11/24"), RACK, CONNECTED) == []


@pytest.mark.parametrize(
    ("link", "routes", "expected"),
    [
        pytest.param(net0("10.1.5.11/24", up=False), [RACK], ["link set dev net0 up"], id="down"),
        pytest.param(net0(), [RACK], [ADD], id="address gone"),
        pytest.param(net0("10.1.5.11/24"), [], [ROUTE], id="no default route"),
        pytest.param(net0("10.1.5.11/24"), [DOCKER], [ROUTE], id="the default route of before"),
        pytest.param(net0("10.1.5.11/24"), [{**RACK, "gateway": "10.1.5.254"}], [ROUTE], id="another gateway on the same link"),
        pytest.param(net0("10.1.5.99/24"), [RACK], ["address delete 10.1.5.99/24 dev net0", ADD], id="another address"),
        pytest.param(net0("10.1.5.11/16"), [RACK], ["address delete 10.1.5.11/16 dev net0", ADD], id="another prefix length"),
        pytest.param(net0("10.1.5.11/24", "10.9.9.9/32"), [RACK], ["address delete 10.9.9.9/32 dev net0"], id="one too many"),
    ],
)
def test_only_what_is_missing_is_done(link: dict[str, Any], routes: list[dict[str, Any]], expected: list[str]) -> None:
    assert present(link, *routes) == expected


def test_a_node_without_the_interface_is_refused_with_what_to_do() -> None:
    with pytest.raises(NodeError, match=r"lab-worker: there is no interface net0; .*--tags containerlab"):
        plan_present(NODE, [ETH0], [DOCKER])


@pytest.mark.parametrize(
    ("former", "expected"),
    [
        pytest.param({"gateway": "172.18.0.1", "dev": "eth0"}, "route replace default via 172.18.0.1 dev eth0", id="the former route comes back"),
        pytest.param({}, "route delete default dev net0", id="there was none"),
        pytest.param(None, "route delete default dev net0", id="nothing is known"),
        pytest.param({"dev": "tun0"}, "route delete default dev net0", id="it had no gateway"),
    ],
)
def test_absent_restores_the_route_then_takes_the_address(former: dict[str, Any] | None, expected: str) -> None:
    assert absent(net0("10.1.5.11/24"), RACK, former=former) == [expected, "address delete 10.1.5.11/24 dev net0"]


def test_absent_leaves_what_is_not_ours() -> None:
    assert absent(net0("10.9.9.9/24"), DOCKER, former={"gateway": "172.18.0.1", "dev": "eth0"}) == []
    assert [" ".join(words) for words in plan_absent(NODE, [ETH0], [DOCKER], None)] == []


@pytest.mark.parametrize(("former", "expected"), [(DOCKER, ["route replace default via 172.18.0.1 dev eth0"]), ({}, []), (None, [])])
def test_a_node_whose_default_route_went_with_its_link_gets_the_former_one_back(former: dict[str, Any] | None, expected: list[str]) -> None:
    assert [" ".join(words) for words in plan_absent(NODE, [ETH0], [CONNECTED], former)] == expected


def test_present_then_absent_needs_the_same_address() -> None:
    assert absent(net0("10.1.5.11/24"), DOCKER) == ["address delete 10.1.5.11/24 dev net0"]


@pytest.mark.parametrize(
    ("routes", "gateway"),
    [
        pytest.param([CONNECTED], None, id="none"),
        pytest.param([], None, id="no route at all"),
        pytest.param([CONNECTED, DOCKER], "172.18.0.1", id="one"),
        pytest.param([{**DOCKER, "metric": 100}, RACK], "10.1.5.1", id="no metric is the lowest"),
        pytest.param([{**DOCKER, "metric": 100}, {**RACK, "metric": 50}], "10.1.5.1", id="the lower metric"),
    ],
)
def test_the_default_route_that_counts(routes: list[dict[str, Any]], gateway: str | None) -> None:
    assert (default_route(routes) or {}).get("gateway") == gateway


def test_addresses_are_global_ipv4_ones() -> None:
    assert addresses([ETH0, net0("10.1.5.11/24")], "net0") == ["10.1.5.11/24"]
    assert addresses([net0("169.254.1.1/16", scope="link")], "net0") == []
    assert addresses([net0("fe80::1/64", family="inet6")], "net0") == []
    assert addresses([net0()], "net0") == []
    assert addresses([ETH0], "net0") is None


def test_up_is_the_administrative_state_of_that_interface() -> None:
    assert is_up([ETH0, net0()], "net0")
    assert not is_up([ETH0, net0(up=False)], "net0")
    assert not is_up([ETH0], "net0")
