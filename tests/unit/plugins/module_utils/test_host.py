"""What a lab host must be, and what is said when it is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.host import limit_gaps, parse_os_release, subnet_problems, system_problem

SUPPORTED = {"debian": "12", "ubuntu": "24.04"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('ID=debian\nVERSION_ID="12"\n', {"ID": "debian", "VERSION_ID": "12"}, id="quoted"),
        pytest.param("# a comment=1\n\nID='ubuntu'\n", {"ID": "ubuntu"}, id="comments and blank lines"),
        pytest.param('HOME_URL="https://x/?a=b"', {"HOME_URL": "https://x/?a=b"}, id="an equals sign in the value"),
        pytest.param("", {}, id="nothing"),
    ],
)
def test_os_release_is_read(text: str, expected: dict[str, str]) -> None:
    assert parse_os_release(text) == expected


@pytest.mark.parametrize(
    ("identity", "version"),
    [("debian", "12"), ("debian", "13"), ("debian", "12.5"), ("debian", ""), ("ubuntu", "24.04"), ("ubuntu", "24.10"), ("ubuntu", "26.04")],
)
def test_supported_systems(identity: str, version: str) -> None:
    assert system_problem({"ID": identity, "VERSION_ID": version}, SUPPORTED) is None


@pytest.mark.parametrize(
    ("identity", "version", "words"),
    [
        ("debian", "11", "debian 11 is too old"),
        ("ubuntu", "22.04", "ubuntu 22.04 is too old"),
        ("ubuntu", "24.03", "ubuntu 24.03 is too old"),
        ("fedora", "41", "fedora 41 is not supported"),
    ],
)
def test_other_systems_are_named_with_what_is_allowed(identity: str, version: str, words: str) -> None:
    problem = system_problem({"ID": identity, "VERSION_ID": version}, SUPPORTED)
    assert problem is not None
    assert words in problem
    assert "debian 12 or later, ubuntu 24.04 or later" in problem


def test_a_system_that_names_itself_nothing_is_unknown() -> None:
    assert "unknown" in str(system_problem({}, SUPPORTED))


MANAGEMENT = {"subnet": "172.20.20.0/24", "purpose": "management_subnet", "link": "lab"}


@pytest.mark.parametrize(
    "route",
    [
        pytest.param({"dst": "172.20.20.0/24", "dev": "docker0"}, id="the same"),
        pytest.param({"dst": "172.20.0.0/16", "dev": "tun0"}, id="a larger one"),
        pytest.param({"dst": "172.20.20.128/25", "dev": "eth1"}, id="a part"),
        pytest.param({"dst": "172.20.20.7", "dev": "eth1"}, id="one host"),
        pytest.param({"dst": "172.20.20.0/24", "nexthops": [{"dev": "a"}, {"dev": "b"}]}, id="over several links"),
    ],
)
def test_a_subnet_in_use_is_named_with_its_place_and_the_other_route(route: dict[str, Any]) -> None:
    problems = subnet_problems([MANAGEMENT], [{"dst": "default", "dev": "eth0"}, route])
    assert len(problems) == 1
    assert problems[0].startswith("management_subnet: 172.20.20.0/24 overlaps 172.20.")
    assert route.get("dev", "?") in problems[0]


@pytest.mark.parametrize(
    "route",
    [
        pytest.param({"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}, id="the default route"),
        pytest.param({"dst": "172.20.21.0/24", "dev": "docker0"}, id="the subnet beside it"),
        pytest.param({"dst": "172.20.20.0/24", "dev": "lab"}, id="the lab's own link"),
        pytest.param({"dst": "2001:db8::/64", "dev": "eth0"}, id="the other family"),
        pytest.param({"dev": "eth0"}, id="a route without a destination"),
        pytest.param({"dst": "local", "dev": "eth0"}, id="a destination that is a word"),
    ],
)
def test_other_routes_are_no_problem(route: dict[str, Any]) -> None:
    assert subnet_problems([MANAGEMENT], [route]) == []


def test_a_route_without_a_link_is_not_the_lab_s_own() -> None:
    """A subnet that no link of ours carries is still compared with blackholes and multipath routes, which name no link either."""
    for link in ({}, {"link": None}):
        assert len(subnet_problems([{"subnet": "10.1.0.0/16", "purpose": "nat"} | link], [{"dst": "10.1.5.0/24", "type": "blackhole"}])) == 1


def test_all_problems_are_reported() -> None:
    other = {"subnet": "10.0.0.0/8", "purpose": "link_pool", "link": None}
    routes = [{"dst": "172.20.0.0/16", "dev": "a"}, {"dst": "10.1.0.0/16", "dev": "b"}, {"dst": "10.2.0.0/16", "dev": "c"}]
    assert [problem.split(":")[0] for problem in subnet_problems([MANAGEMENT, other], routes)] == ["management_subnet", "link_pool", "link_pool"]


@pytest.mark.parametrize(
    ("wanted", "found", "gaps"),
    [
        pytest.param({"fs.a": 10}, {"fs.a": 9}, {"fs.a": 10}, id="too low"),
        pytest.param({"fs.a": 10}, {"fs.a": 10}, {}, id="just enough"),
        pytest.param({"fs.a": 10}, {"fs.a": 11}, {}, id="more is left alone"),
        pytest.param({"fs.a": 10}, {"fs.a": None}, {"fs.a": 10}, id="cannot be read"),
        pytest.param({"fs.a": "10"}, {"fs.a": 9}, {"fs.a": 10}, id="a number as text"),
        pytest.param({}, {"fs.a": 1}, {}, id="nothing asked for"),
    ],
)
def test_limits_that_are_too_low(wanted: dict[str, int], found: dict[str, int | None], gaps: dict[str, int]) -> None:
    assert limit_gaps(wanted, found) == gaps
