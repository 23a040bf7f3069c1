"""The text BIRD gets; `bird -p` is the judge of the syntax."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from leafspine_embedded.calico.bird import NodeRouting, quoted, render
from leafspine_embedded.calico.model import BgpConfiguration, Node, Pool, bgp_configuration_of
from leafspine_embedded.calico.peers import Session

NODE = Node("w", {"rack": "rack0"}, IPv4Interface("10.1.5.11/24"), 65005)
POOL = Pool("default-ipv4-ippool", IPv4Network("10.244.0.0/16"), nat_outgoing=True)
LEAF = Session("Node", IPv4Address("10.1.5.1"), 65005)
BASE = NodeRouting(NODE, BgpConfiguration(mesh=False), [LEAF], [POOL], [IPv4Network("10.244.232.192/26")])
EVERYTHING = replace(
    BASE,
    config=bgp_configuration_of(
        {
            "spec": {
                "serviceClusterIPs": [{"cidr": "10.96.0.0/16"}],
                "listenPort": 1790,
                "bindMode": "NodeIP",
                "ignoredInterfaces": ["dummy*"],
                "communities": [{"name": "a", "value": "65000:1"}],
                "prefixAdvertisements": [{"cidr": "10.244.0.0/16", "communities": ["a", "1:2:3"]}],
            }
        }
    ),
    sessions=[
        replace(
            LEAF, port=1791, source=False, password=("s", "k"), next_hop="self", restart_time=150, keepalive=20, allow_local_as=2,
            reachable_by=IPv4Address("10.1.5.254"), cluster_id="1.0.0.1",
        ),
        Session("Mesh", IPv4Address("10.1.8.10"), 65008, passive=True, ttl_hops=3, next_hop="keep", local_asn=64999),
    ],
    pools=[POOL, Pool("hidden", IPv4Network("10.200.0.0/16"), export=False)],
    services=[IPv4Network("10.96.0.0/16"), IPv4Network("10.96.1.1/32")],
)  # fmt: skip


@pytest.mark.skipif(shutil.which("bird") is None, reason="bird is not installed")
@pytest.mark.parametrize("routing", [BASE, EVERYTHING, replace(BASE, sessions=[], pools=[], blocks=[])], ids=["base", "everything", "bare"])
def test_bird_accepts_it(routing: NodeRouting, tmp_path: Path) -> None:
    path = tmp_path / "bird.conf"
    path.write_text(render(routing, lambda ref: "secret"))
    done = subprocess.run(["bird", "-p", "-c", str(path)], capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bird") is None, reason="bird is not installed")
def test_the_check_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "bird.conf"
    path.write_text(render(BASE).replace("multihop;", "multihopp;"))
    assert subprocess.run(["bird", "-p", "-c", str(path)], capture_output=True, timeout=10, check=False).returncode != 0


def test_it_has_calico_s_own_settings() -> None:
    text = render(BASE)
    lines = (
        "router id 10.1.5.11;",
        "merge paths on;",
        "learn;",
        "persist;",
        "scan time 2;",
        "metric 0;",
        "gateway recursive;",
        "add paths on;",
        "connect delay time 2;",
        "connect retry time 5;",
        "error wait time 5,30;",
        "local 10.1.5.11 as 65005;",
        "route 10.244.232.192/26 blackhole;",
        "protocol bgp Node_10_1_5_1 from bgp_template {",
    )
    for line in lines:
        assert line in text, line


def test_service_ranges_are_exported_but_never_reach_the_kernel() -> None:
    text = render(EVERYTHING)
    kernel = text[text.index("filter calico_kernel_programming") : text.index("protocol kernel")]
    assert "net ~ 10.96.0.0/16 ) then { reject; }" in kernel
    assert "10.96" not in render(BASE)


def test_connected_routes_stay_the_kernel_s_own() -> None:
    text = render(BASE)
    kernel = text[text.index("filter calico_kernel_programming") : text.index("protocol kernel")]
    assert kernel.index("source = RTS_DEVICE ) then { reject; }") < kernel.index("accept;")


def test_a_range_other_nodes_announce_is_kept_out_of_an_excluded_node_s_kernel_too() -> None:
    text = render(replace(EVERYTHING, services=[]))
    assert "net ~ 10.96.0.0/16 ) then { reject; }" in text
    assert "route 10.96.0.0/16 blackhole" not in text


def test_a_session_waits_for_its_password() -> None:
    routing = replace(BASE, sessions=[replace(LEAF, password=("s", "k"))])
    assert "Node_10_1_5_1" not in render(routing, lambda ref: None)
    assert '  password "pw";' in render(routing, lambda ref: "pw")


@pytest.mark.parametrize("bad", ['a"b', "a\nb"])
def test_a_password_that_would_break_the_file_is_refused(bad: str) -> None:
    with pytest.raises(ValueError):
        quoted(bad)


def test_without_an_address_there_is_nothing_to_render() -> None:
    with pytest.raises(ValueError):
        render(replace(BASE, node=Node("w")))


def test_equal_input_gives_equal_text() -> None:
    assert render(EVERYTHING, lambda ref: "x") == render(EVERYTHING, lambda ref: "x")
