"""Every `set` line a real VyOS 1.4 was asked: the same verdict, and the same text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from leafspine_embedded.vyos.memory import MemoryRouter
from leafspine_embedded.vyos.session import Session

DATA = Path(__file__).parent / "data" / "vyos"
UNSUPPORTED = "is not supported by the embedded engine"

# What the real router accepts and this engine refuses by name, as prefixes of the path.
REFUSED_ON_PURPOSE = """
firewall
high-availability
interfaces bonding
interfaces bridge
interfaces tunnel
interfaces virtual-ethernet
interfaces vxlan
interfaces wireguard
load-balancing
nat source rule 100 load-balance
nat source rule 100 source group
nat static
nat66
policy local-route
policy route-map RM rule 10 match evpn
policy route-map RM rule 10 match rpki
protocols failover
protocols isis
protocols mpls
protocols nhrp
protocols ospf
protocols ospfv3
protocols pim
protocols rip
protocols rpki
protocols static multicast
protocols static neighbor-proxy
qos
service config-sync
service dhcp-server
service dns
service event-handler
service https
service lldp
service router-advert
service sla
service snmp
service ssh dynamic-protection
service ssh vrf
system config-management commit-archive
system flow-accounting
system frr
system ipv6 disable
system login radius
system login tacacs
system option
system proxy
system static-host-mapping
system update-check
vpn
vrf
""".splitlines()

# Lines with another verdict than the real router's, with the reason. Empty is the aim.
DISAGREE: dict[str, str] = {}


def corpus() -> list[dict[str, object]]:
    return [json.loads(line) for line in (DATA / "lines.jsonl").read_text().splitlines()]


async def ask(line: str) -> str:
    session = Session(MemoryRouter((DATA / "boot.txt").read_text()))
    await session.line("configure")
    return (await session.line(line)).output


def plain(text: object) -> list[str]:
    return [line.strip() for line in str(text).split("\n") if line.strip()]


async def test_verdicts() -> None:
    wrong, refused, agreed = [], [], 0
    for row in corpus():
        line = str(row["line"])
        output = await ask(line)
        if UNSUPPORTED in output:
            refused.append(line)
        elif ("Set failed" not in output) == row["ok"]:
            agreed += 1
        elif line not in DISAGREE:
            wrong.append(f"{line}\n    real: {plain(row['output'])}\n    here: {plain(output)}")
    assert not wrong, "\n".join(wrong)
    assert agreed / (len(corpus()) - len(refused)) >= 0.97


async def test_refused_lines_are_the_listed_ones() -> None:
    prefixes = tuple(f"set {prefix}" for prefix in REFUSED_ON_PURPOSE if prefix)
    surprising = []
    for row in corpus():
        line = str(row["line"])
        output = await ask(line)
        listed = f"{line} ".startswith(tuple(f"{prefix} " for prefix in prefixes)) or any(word in line for word in REFUSED_ANYWHERE)
        if (UNSUPPORTED in output) and not listed:
            surprising.append(line)
        if UNSUPPORTED in output:
            assert output.endswith("  Set failed\n\n")
    assert not surprising, "\n".join(surprising)


REFUSED_ANYWHERE = [
    " vif",
    " vrf ",
    " address dhcp",
    " adjust-mss ",
    " offload ",
    " ring-buffer ",
    " mirror ",
    " dhcp-options ",
    " evpn ",
    " eapol ",
    " ipv6 address ",
    " labeled-unicast",
    "-vpn",
    "-flowspec",
    "-labeled-",
    "l2vpn-evpn",
    " path-attribute ",
    " segments ",
    " next-hop 10.1.10.2 bfd",
    " exclude all",
    " dampening ",
    " tcp-keepalive ",
    " metric-type ",
    "ipv6-unicast redistribute table",
    " vpn ",
    "dhcp-interface",
    " bmp ",
    " srv6 ",
    "protocols bgp interface",
]


async def test_texts() -> None:
    """Where both refuse, the words are the same."""
    different = []
    for row in corpus():
        line = str(row["line"])
        output = await ask(line)
        if row["ok"] or UNSUPPORTED in output or line in TEXT_DIFFERS:
            continue
        if plain(row["output"]) != plain(output):
            different.append(f"{line}\n    real: {plain(row['output'])[:4]}\n    here: {plain(output)[:4]}")
    assert not different, f"{len(different)}\n" + "\n".join(different)


# The verdict is the same, the text is not, with the reason.
TEXT_DIFFERS: dict[str, str] = {
    "set policy as-path-list AP rule 10 regex .*": "which file names of the home directory the shell puts in",
    'set protocols bgp neighbor 10.1.10.2 update-source "bad name"': "the usage text of a program of the real router",
}


@pytest.mark.parametrize(
    "line",
    ["set interfaces ethernet eth0", "set service ssh", "set system config-management commit-revisions 100", "set system", "set protocols", "set interfaces"],
)
async def test_already_exists(line: str) -> None:
    assert f"Configuration path: [{line[4:]}] already exists" in await ask(line)


async def test_the_comparison_can_fail() -> None:
    """The measure itself: a line the real router refuses is refused here, its good twin is not."""
    assert "Set failed" in await ask("set interfaces ethernet eth1 address 10.1.10.300/24")
    assert "Set failed" not in await ask("set interfaces ethernet eth1 address 10.1.10.30/24")
