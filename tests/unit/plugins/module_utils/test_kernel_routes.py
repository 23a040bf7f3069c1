"""Kernel routes in words, and what is said about missing, wrong, double and unexplained ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.checks import failed, lines
from ansible_collections.leafspine.calico.plugins.module_utils.kernel_routes import describe, destination, judge

DESCRIBED: list[tuple[dict[str, Any], str]] = [
    ({"dst": "a", "gateway": "10.0.0.1", "dev": "eth1"}, "via 10.0.0.1"),
    ({"dst": "a", "nexthops": [{"gateway": "10.0.0.2"}, {"gateway": "10.0.0.1"}]}, "via 10.0.0.1 10.0.0.2"),
    ({"dst": "a", "nexthops": [{"gateway": "10.0.0.2", "flags": ["dead"]}, {"gateway": "10.0.0.1"}]}, "via 10.0.0.1"),
    ({"dst": "a", "gateway": "10.0.0.1", "flags": ["linkdown"]}, "no usable next hop"),
    ({"dst": "a", "dev": "eth1", "protocol": "kernel"}, "dev eth1"),
    ({"dst": "a", "dev": "cali1", "protocol": "boot"}, "dev cali1"),
    ({"dst": "a", "dev": "eth1", "protocol": "bird"}, "dev eth1 proto bird"),
    ({"type": "blackhole", "dst": "a"}, "blackhole"),
    ({"type": "unreachable", "dst": "a", "gateway": "10.0.0.1"}, "unreachable"),
    ({"dst": "a"}, "nothing"),
]


@pytest.mark.parametrize(("entry", "text"), DESCRIBED, ids=[text for _entry, text in DESCRIBED])
def test_a_route_in_words(entry: dict[str, Any], text: str) -> None:
    assert describe(entry) == text


@pytest.mark.parametrize(("text", "prefix"), [("default", "default"), ("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32")])
def test_a_destination_is_a_prefix(text: str, prefix: str) -> None:
    assert destination({"dst": text}) == prefix


def test_nothing_expected_and_nothing_there_is_one_check() -> None:
    assert [one["ok"] for one in judge("x", {}, [])] == [True]


def test_an_explained_route_is_no_finding_an_unexplained_one_is() -> None:
    routes = [{"dst": "10.0.0.0/8", "dev": "eth0", "protocol": "kernel"}, {"dst": "10.1.0.0/16", "gateway": "10.0.0.1", "protocol": "static"}]
    assert failed(judge("x", {}, routes, lambda prefix, entry: True)) == []
    found = lines(judge("x", {}, routes, lambda prefix, entry: entry["protocol"] == "kernel"))
    assert found == ["x: route 10.1.0.0/16: expected no such route, found via 10.0.0.1 (proto static) (look: ip -4 route show 10.1.0.0/16)"]


def test_an_expected_destination_is_not_explained_away() -> None:
    found = lines(judge("x", {"10.0.0.0/8": "via 10.9.9.9"}, [{"dst": "10.0.0.0/8", "gateway": "10.0.0.1"}], lambda prefix, entry: True))
    assert found == ["x: route 10.0.0.0/8: expected via 10.9.9.9, found via 10.0.0.1 (look: ip -4 route show 10.0.0.0/8)"]
