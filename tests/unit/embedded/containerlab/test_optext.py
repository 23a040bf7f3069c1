"""Operational outputs against what the real router printed (contract: opmode.md)."""

from __future__ import annotations

import json
import re
from pathlib import Path

from leafspine_embedded.vyos import optext
from leafspine_embedded.vyos.op import _clear, _options
from leafspine_embedded.vyos.tree import Tree

MEASURED = (Path(__file__).parents[3] / "contract" / "data" / "vyos" / "opmode.md").read_text()
NAT = Tree.parse(
    """nat {
    source {
        rule 100 {
            outbound-interface {
                name eth0
            }
            source {
                address 10.1.0.0/16
            }
            translation {
                address masquerade
            }
        }
    }
}
"""
)


def measured(command: str) -> str:
    match = re.search(rf"### `{re.escape(command)}`\n\n```\n(.*?)```", MEASURED, re.DOTALL)
    assert match is not None, command
    return match.group(1)


def link(name: str, mac: str, addresses: list[str], *, up: bool = True, mtu: int = 1500) -> dict[str, object]:
    flags = ["UP", "LOWER_UP"] if up else []
    info = [{"local": a.split("/")[0], "prefixlen": int(a.split("/")[1]), "scope": "global"} for a in addresses]
    info.append({"local": "fe80::1", "prefixlen": 64, "scope": "link"})
    return {"ifname": name, "address": mac, "mtu": mtu, "flags": flags, "operstate": "UP" if up else "DOWN", "addr_info": info}


def test_show_interfaces() -> None:
    links = [
        link("lo", "00:00:00:00:00:00", ["127.0.0.1/8", "::1/128"], mtu=65536),
        link("eth2", "aa:4c:3e:39:d8:6c", [], up=False),
        link("eth1", "86:9b:64:41:f6:7b", ["10.1.10.1/24"]),
        link("eth0", "02:42:ac:11:00:06", ["172.17.0.6/16"]),
        link("dum0", "5e:7a:49:a1:43:91", ["10.1.5.1/24"]),
    ]
    assert optext.interfaces(json.dumps(links)) == measured("show interfaces")
    assert "eth1" not in optext.interfaces(json.dumps(links), kind="dummy")


def test_show_nat() -> None:
    assert optext.nat(NAT, "source", "rules", "") == measured("show nat source rules")
    assert optext.nat(NAT, "source", "statistics", "") == measured("show nat source statistics")
    assert optext.nat(NAT, "source", "translations", "") == measured("show nat source translations")
    ruleset = {"nftables": [{"metainfo": {}}, {"rule": {"comment": "SRC-NAT-100", "expr": [{"counter": {"packets": 7, "bytes": 420}}]}}]}
    assert "100     7          420      eth0" in optext.nat(NAT, "source", "statistics", json.dumps(ruleset))


def test_show_arp() -> None:
    entries = [
        {"dst": "172.17.0.1", "dev": "eth0", "lladdr": "02:42:dd:a6:8b:ea", "state": ["REACHABLE"]},
        {"dst": "10.1.10.2", "dev": "eth1", "lladdr": "0e:f6:46:13:53:d9", "state": ["REACHABLE"]},
    ]
    assert optext.neighbours(json.dumps(entries)) == measured("show arp")


def test_show_one_interface() -> None:
    # `ip` ends a line with a blank where the label is missing.
    text = """2: eth1@if1505: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 86:9b:64:41:f6:7b brd ff:ff:ff:ff:ff:ff link-netnsid 1 promiscuity 0 allmulti 0 minmtu 68 maxmtu 65535
    veth numtxqueues 2 numrxqueues 2
    inet 10.1.10.1/24 brd 10.1.10.255 scope global eth1
       valid_lft forever preferred_lft forever
    inet6 fe80::849b:64ff:fe41:f67b/64 scope link{blank}
       valid_lft forever preferred_lft forever
    RX:  bytes packets errors dropped  missed   mcast
          8637     119      0       0       0       0
    TX:  bytes packets errors dropped carrier collsns
          9148     125      0      12       0       0
""".replace("{blank}", " ")
    assert optext.interface_detail(text, "eth1", "ethernet") == measured("show interfaces ethernet eth1")
    assert optext.interface_detail(text, "eth2", "ethernet") == ""


def test_reset_words() -> None:
    assert _clear(["bgp", "10.1.1.1", "soft", "in"]) == "clear bgp 10.1.1.1 soft in"
    assert _clear(["bgp", "all"]) == "clear bgp *"
    assert _clear(["ip", "bgp", "all"]) == "clear ip bgp *"
    assert _clear(["bgp", "ipv4", "all"]) == "clear bgp ipv4 *"


def test_ping_words() -> None:
    from leafspine_embedded.vyos.op import _PING_FLAGS, _PING_VALUES

    assert _options("h", ["count", "3", "source-address", "10.1.1.1", "numeric"], _PING_VALUES, _PING_FLAGS) == {
        "host": "h",
        "count": 3,
        "interface": "10.1.1.1",
        "numeric": True,
    }
    for words in (["bogus"], ["count"], ["count", "x"], ["i", "1"]):
        try:
            _options("h", words, _PING_VALUES, _PING_FLAGS)
        except ValueError:
            continue
        raise AssertionError(words)
