from __future__ import annotations

import pytest
from leafspine_embedded.vyos.checks import BY_NAME, is_host, is_prefix, number
from leafspine_embedded.vyos.memory import Shell
from leafspine_embedded.vyos.model import CommitError
from leafspine_embedded.vyos.render import frr_config, frr_sections, kernel_plan, needs_bfdd, nft_ruleset
from leafspine_embedded.vyos.schema import grammar, walk
from leafspine_embedded.vyos.tree import Tree
from leafspine_embedded.vyos.verify import verify


def tree(*lines: str) -> Tree:
    made = Tree()
    for line in lines:
        found = walk(grammar(), line.split())
        made.insert(found.steps, found.value, multi=found.rule.multi)
    return made


def test_head_and_empty() -> None:
    assert frr_config(Tree()) == "frr defaults traditional\nhostname vyos\nservice integrated-vtysh-config\n!\nend\n"
    assert frr_sections(Tree()) == ""


def test_static_routes() -> None:
    made = tree(
        "protocols static route 10.9.0.0/16 next-hop 10.1.10.2 distance 20",
        "protocols static route 10.9.0.0/16 next-hop 10.1.12.2 disable",
        "protocols static route 10.10.0.0/16 blackhole tag 7",
        "protocols static route 10.2.0.0/16 interface eth1",
        "protocols static route6 2001:db8:9::/48 next-hop fe80::1 interface eth1",
        "protocols static table 100 route 0.0.0.0/0 next-hop 10.0.0.1",
    )
    assert frr_sections(made).split("\n") == [
        "ip route 10.2.0.0/16 eth1",
        "ip route 10.9.0.0/16 10.1.10.2 20",
        "ip route 10.10.0.0/16 blackhole tag 7",
        "ipv6 route 2001:db8:9::/48 fe80::1 eth1",
        "ip route 0.0.0.0/0 10.0.0.1 table 100",
    ]


def test_the_kernel_filter_of_bgp() -> None:
    assert frr_sections(tree("system ip protocol bgp route-map RM", "system ip nht no-resolve-via-default")).split("\n") == [
        "no ip nht resolve-via-default",
        "!",
        "ip protocol bgp route-map RM",
    ]


def test_bfdd_only_when_needed() -> None:
    assert needs_bfdd(tree("protocols bgp neighbor 10.0.0.1 bfd"))
    assert needs_bfdd(tree("protocols bgp peer-group FAB bfd profile X"))
    assert needs_bfdd(tree("protocols bfd peer 10.0.0.1"))
    assert not needs_bfdd(tree("protocols bgp neighbor 10.0.0.1 remote-as 5", "protocols bfd profile X interval receive 300"))


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (
            ["source rule 100 outbound-interface name eth0", "source rule 100 source address 10.1.0.0/16", "source rule 100 translation address masquerade"],
            'oifname "eth0" ip saddr 10.1.0.0/16 counter masquerade comment "SRC-NAT-100"',
        ),
        (["source rule 5 source address !10.1.0.0/16", "source rule 5 exclude"], 'ip saddr != 10.1.0.0/16 counter return comment "SRC-NAT-5"'),
        (
            [
                "destination rule 10 inbound-interface name eth0",
                "destination rule 10 protocol tcp",
                "destination rule 10 destination port 8080,8443",
                "destination rule 10 translation address 10.1.5.10",
                "destination rule 10 translation port 80",
            ],
            'iifname "eth0" meta l4proto tcp th dport { 8080, 8443 } counter dnat to 10.1.5.10:80 comment "DST-NAT-10"',
        ),
        (
            ["source rule 7 protocol tcp_udp", "source rule 7 log", "source rule 7 translation address 10.5.5.1-10.5.5.9"],
            'meta l4proto { tcp, udp } counter log prefix "[SRC-NAT-7]" snat to 10.5.5.1-10.5.5.9 comment "SRC-NAT-7"',
        ),
        (
            ["source rule 8 source address 10.1.0.0/24", "source rule 8 translation address 10.5.0.0/24"],
            'counter snat ip prefix to ip saddr map { 10.1.0.0/24 : 10.5.0.0/24 } comment "SRC-NAT-8"',
        ),
    ],
    ids=["masquerade", "exclude", "port-forward", "range", "netmap"],
)
def test_nat_rules(lines: list[str], rule: str) -> None:
    text = nft_ruleset(tree(*(f"nat {line}" for line in lines)))
    assert f"        {rule}\n" in text
    assert text.startswith("table ip vyos_nat\ndelete table ip vyos_nat\ntable ip vyos_nat {\n")


def test_no_nat_removes_the_table() -> None:
    assert nft_ruleset(Tree()) == "table ip vyos_nat\ndelete table ip vyos_nat\n"
    assert nft_ruleset(tree("nat source rule 5 exclude", "nat source rule 5 disable")) == nft_ruleset(Tree())


def test_kernel_plan() -> None:
    plan = kernel_plan(
        tree(
            "interfaces ethernet eth1 address 10.1.10.1/24",
            "interfaces ethernet eth1 address 2001:db8::1/64",
            "interfaces ethernet eth1 mtu 9000",
            "interfaces ethernet eth2 disable",
            "interfaces ethernet eth2 ip source-validation strict",
            "interfaces dummy dum0 address 10.255.0.1/32",
            "interfaces loopback lo address 10.255.0.2/32",
            "system ip multipath layer4-hashing",
            "system host-name leaf0",
            "system sysctl parameter net.ipv4.conf.all.forwarding value 0",
        )
    )
    assert plan.hostname == "leaf0"
    assert plan.interfaces["eth1"].addresses == ["10.1.10.1/24", "2001:db8::1/64"]
    assert (plan.interfaces["eth1"].mtu, plan.interfaces["eth2"].mtu, plan.interfaces["dum0"].mtu) == (9000, None, 1500)
    assert (plan.interfaces["eth1"].up, plan.interfaces["eth2"].up) == (True, False)
    assert (plan.interfaces["dum0"].kind, plan.interfaces["lo"].kind) == ("dummy", "loopback")
    assert plan.sysctls["net.ipv4.fib_multipath_hash_policy"] == "1"
    assert plan.sysctls["net.ipv4.conf.eth2.rp_filter"] == "1"
    assert plan.sysctls["net.ipv4.conf.eth1.rp_filter"] == "0"
    assert plan.sysctls["net.ipv4.conf.all.forwarding"] == "0"
    assert kernel_plan(Tree()).sysctls["net.ipv4.fib_multipath_hash_policy"] == "0"
    assert kernel_plan(Tree()).sysctls["net.ipv4.conf.all.forwarding"] == "1"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["neighbor 10.1.10.1 remote-as 5"], 'Can not configure local address as neighbor "10.1.10.1" in default VRF!'),
        (["neighbor 10.0.0.9 peer-group NOPE"], 'Specified peer-group "NOPE" for neighbor "neighbor" does not exist!'),
        (["peer-group G remote-as 5", "neighbor 10.0.0.9 peer-group G", "neighbor 10.0.0.9 remote-as 6"], "cannot override remote-as of peer-group"),
        (["neighbor 10.0.0.9 remote-as 5", "neighbor 10.0.0.9 local-as 65005"], "Cannot have local-as same as system-as number"),
        (["address-family ipv4-unicast distance external 20"], "ipv4_unicast administrative distance internal!"),
        (["listen range 10.0.0.0/8 peer-group G", "peer-group G bfd"], 'Peer-group "G" requires remote-as to be set!'),
        (["neighbor eth1 interface remote-as external", "neighbor eth1 ebgp-multihop 2"], "Ebgp-multihop can not be used with directly connected"),
    ],
)
def test_refused_bgp(lines: list[str], text: str) -> None:
    made = tree("interfaces ethernet eth1 address 10.1.10.1/24", "protocols bgp system-as 65005", *(f"protocols bgp {line}" for line in lines))
    with pytest.raises(CommitError) as caught:
        verify(made, Tree(), interfaces={"eth1"})
    assert text in caught.value.text
    assert caught.value.section == "protocols bgp"


def test_good_bgp() -> None:
    made = tree(
        "protocols bgp system-as 65005",
        "protocols bgp peer-group G remote-as 5",
        "protocols bgp peer-group G address-family ipv4-unicast",
        "protocols bgp neighbor 10.0.0.9 peer-group G",
        "protocols bgp listen range 10.0.0.0/8 peer-group G",
    )
    assert verify(made, Tree(), interfaces=set()) == []


def test_an_address_that_moves_away_warns() -> None:
    lines = ["nat source rule 1 translation address 10.9.9.9"]
    assert verify(tree(*lines), Tree(), interfaces=set()) == ["IP address 10.9.9.9 does not exist on the system!"]
    assert verify(tree(*lines, "interfaces loopback lo address 10.9.9.9/32"), Tree(), interfaces=set()) == []


async def test_only_changed_sections_are_checked(config: Shell) -> None:
    """As measured: a route-map that a neighbour uses can be deleted; touching the neighbour afterwards is refused."""
    bgp = "set protocols bgp neighbor 10.1.10.2"
    await config("set policy route-map RM rule 10 action permit", "set protocols bgp system-as 65005", f"{bgp} remote-as 500")
    await config(f"{bgp} address-family ipv4-unicast route-map export RM", "commit")
    assert await config("delete policy route-map RM", "commit") == ""
    assert 'Specified route-map "RM" does not exist!' in await config(f"{bgp} description x", "commit")


@pytest.mark.parametrize(
    ("value", "host", "prefix"),
    [
        ("10.1.0.1/24", True, False),
        ("10.1.0.0/24", False, True),
        ("10.1.0.0/31", True, True),
        ("10.1.0.1/32", True, True),
        ("10.1.0.255/24", True, False),
        ("10.1.0.1", False, False),
        ("2001:db8::1/64", True, False),
        ("2001:db8::/64", False, True),
        ("fe80::1%eth0/64", False, False),
        ("١٠.1.0.1/24", False, False),
    ],
)
def test_addresses(value: str, host: bool, prefix: bool) -> None:
    assert is_host(value) is host
    assert is_prefix(value) is prefix


def test_numbers() -> None:
    check = number(1, 10)
    assert check("10") is None
    assert check("11") == ["Number is not in any of allowed ranges"]
    for bad in ("", "1 ", "0x1", "1e1", "٣", "9" * 50, "+5"):
        assert check(bad) is not None


def test_every_row_of_the_table_is_sound() -> None:
    """Leaves have no children, every check runs on any text, every node but valueless leaves can be reached."""
    stack = [grammar()]
    seen = 0
    while stack:
        rule = stack.pop()
        seen += 1
        assert not (rule.kind == "leaf" and rule.children), rule.name
        for value in ("", "x", "1", "10.0.0.1", "é", "-1", "!"):
            rule.problems(value)
        stack.extend(rule.children.values())
    assert seen > 1000
    assert all(callable(check) for check in BY_NAME.values())
