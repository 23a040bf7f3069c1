"""Addresses, and how free slots are handed out."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import addressing


@pytest.mark.parametrize(
    ("prefix", "first", "second", "hosts"),
    [
        ("10.1.10.0/24", "10.1.10.1", "10.1.10.2", "10.1.10.1 - 10.1.10.254"),
        ("10.1.10.4/30", "10.1.10.5", "10.1.10.6", "10.1.10.5 - 10.1.10.6"),
        ("10.1.10.4/31", "10.1.10.4", "10.1.10.5", "10.1.10.4 - 10.1.10.5"),
    ],
)
def test_hosts(prefix: str, first: str, second: str, hosts: str) -> None:
    network = IPv4Network(prefix)
    assert [str(addressing.host(network, number)) for number in (1, 2)] == [first, second]
    assert addressing.host_range(network) == hosts


@pytest.mark.parametrize("number", [1, 64512, 65005, 65534, 65536, 4294967294])
def test_as_numbers(number: int) -> None:
    assert addressing.parse_asn(number) == number


@pytest.mark.parametrize("number", [-1, 0, 23456, 65535, 4294967295, 4294967296, 16**400])
def test_no_as_numbers(number: int) -> None:
    with pytest.raises(ValueError, match="allowed: 1 - 4294967294 without 23456 and 65535"):
        addressing.parse_asn(number)


@pytest.mark.parametrize("text", ["10.1.5.0/24", "1.0.0.0/8", "223.255.255.254/31", "10.0.0.1/32"])
def test_prefixes(text: str) -> None:
    assert str(addressing.parse_network(text)) == text


@pytest.mark.parametrize("text", ["", "10.1.5.0", "10.1.5/24", "10.1.5.0/24 ", "10.1.5.0/+4", "10.1.5.0/24/24", "10.1.5.0/0x18", "256.1.1.0/24", "a.b.c.d/8"])
def test_no_prefixes(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IPv4 prefix"):
        addressing.parse_network(text)


@pytest.mark.parametrize(
    ("prefixes", "pairs"),
    [
        (["10.0.0.0/24", "10.0.1.0/24", "10.0.0.0/25"], [("10.0.0.0/25", "10.0.0.0/24")]),
        (["10.0.0.0/30", "10.0.0.0/8", "10.255.255.252/30"], [("10.0.0.0/30", "10.0.0.0/8"), ("10.255.255.252/30", "10.0.0.0/8")]),
        (["10.0.0.0/24", "10.0.0.0/24"], [("10.0.0.0/24", "10.0.0.0/24")]),
        (["10.0.0.0/31", "10.0.0.2/31", "10.0.0.4/30"], []),
        ([], []),
    ],
)
def test_overlaps(prefixes: list[str], pairs: list[tuple[str, str]]) -> None:
    found = addressing.overlaps(enumerate(IPv4Network(prefix) for prefix in prefixes))
    assert [(str(inner), str(outer)) for (_one, inner), (_other, outer) in found] == pairs


@pytest.mark.parametrize(
    ("names", "capacity", "taken", "slots"),
    [
        (["leaf0", "leaf1"], 4, [], {"leaf0": 0, "leaf1": 1}),
        (["leaf3", "leaf0"], 4, [], {"leaf3": 3, "leaf0": 0}),
        (["leaf7"], 4, [], {"leaf7": 3}),
        (["tor-a", "tor-b"], 4, [], {"tor-a": 0, "tor-b": 1}),
        (["a-leaf0", "b-leaf0", "leaf1"], 4, [], {"a-leaf0": 0, "b-leaf0": 2, "leaf1": 1}),
        (["leaf0", "leaf1"], 4, [0, 9, -3], {"leaf0": 2, "leaf1": 1}),
        (["leaf0", "leaf1", "leaf2"], 2, [], {"leaf0": 0, "leaf1": 1}),
        (["leaf0"], 0, [], {}),
        ([], 4, [], {}),
    ],
)
def test_slots(names: list[str], capacity: int, taken: list[int], slots: dict[str, int]) -> None:
    assert addressing.assign_slots(names, capacity, taken) == slots


def test_slots_without_wrapping() -> None:
    assert addressing.assign_slots(["leaf101", "leaf102", "leaf1"], 4, wrap=False) == {"leaf101": 0, "leaf102": 2, "leaf1": 1}


def test_values_are_shown_short() -> None:
    assert addressing.shown("x" * 100) == "'" + "x" * 56 + "..."
    assert addressing.shown(16**5000) == "a number of thousands of digits"
