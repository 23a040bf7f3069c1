"""FRR configurations: read, compare, and the commands between two of them."""

from __future__ import annotations

import pytest
from leafspine_embedded.vyos.frrdiff import Step, daemons, parse, steps

BGP = """router bgp 65005
 bgp router-id 10.1.5.1
 no bgp default ipv4-unicast
 neighbor 10.1.10.2 remote-as 500
 neighbor 10.1.10.2 description spine
 neighbor 10.1.12.2 remote-as 800
 !
 address-family ipv4 unicast
  network 10.1.5.0/24
  neighbor 10.1.10.2 activate
  neighbor 10.1.12.2 activate
 exit-address-family
exit
"""
TOP = ("router bgp 65005",)
FAMILY = ("router bgp 65005", "address-family ipv4 unicast")


def between(old: str, new: str) -> list[Step]:
    return steps(parse(old), parse(new))


def test_heads_remarks_and_foreign_contexts_are_left_out() -> None:
    head = "Building configuration...\n!\nfrr version 8.4.4\nhostname x\nlog file a\nno zebra nexthop kernel enable\n"
    text = head + "interface eth1\n ip address 1.1.1.1/32\nexit\nbfd\nexit\nend\n"
    assert parse(text).lines() == set()


def test_equal_in_another_order_is_no_step() -> None:
    second = " neighbor 10.1.12.2 remote-as 800\n"
    moved = BGP.replace(second, "").replace(" neighbor 10.1.10.2 remote", f"{second} neighbor 10.1.10.2 remote")
    assert moved != BGP
    assert between(BGP, moved) == []


def test_from_nothing_everything_comes_in_order() -> None:
    found = between("", BGP)
    assert [step.context for step in found] == [TOP, FAMILY]
    assert found[0].commands[0] == "bgp router-id 10.1.5.1"
    assert found[1].commands == ("network 10.1.5.0/24", "neighbor 10.1.10.2 activate", "neighbor 10.1.12.2 activate")


def test_to_nothing() -> None:
    assert between(BGP, "") == [Step((), ("no router bgp 65005",))]


def test_another_as_number_goes_before_it_comes() -> None:
    found = between(BGP, BGP.replace("65005", "65009"))
    assert found[0] == Step((), ("no router bgp 65005",))
    assert found[1].context == ("router bgp 65009",)


def test_a_neighbour_that_goes_takes_its_lines_with_it() -> None:
    new = "".join(line for line in BGP.splitlines(keepends=True) if "10.1.12.2" not in line)
    assert between(BGP, new) == [Step(TOP, ("no neighbor 10.1.12.2",))]


def test_single_values_are_replaced_not_removed() -> None:
    assert between(BGP, BGP.replace("remote-as 500", "remote-as 501")) == [Step(TOP, ("neighbor 10.1.10.2 remote-as 501",))]
    assert between(BGP, BGP.replace("router-id 10.1.5.1", "router-id 10.1.5.9")) == [Step(TOP, ("bgp router-id 10.1.5.9",))]


def test_negated_lines_are_undone_by_their_positive_form() -> None:
    assert between(BGP, BGP.replace(" no bgp default ipv4-unicast\n", "")) == [Step(TOP, ("bgp default ipv4-unicast",))]


def test_family_lines_go_before_the_neighbour_changes() -> None:
    old = BGP.replace("10.1.10.2 remote-as 500", "10.1.10.2 remote-as 65005").replace(
        "10.1.10.2 activate\n", "10.1.10.2 activate\n  neighbor 10.1.10.2 route-reflector-client\n"
    )
    assert between(old, BGP) == [
        Step(FAMILY, ("no neighbor 10.1.10.2 route-reflector-client",)),
        Step(TOP, ("neighbor 10.1.10.2 remote-as 500",)),
    ]


def test_a_member_that_leaves_its_group_is_made_anew() -> None:
    old = BGP.replace(" neighbor 10.1.10.2 remote-as 500\n", " neighbor G peer-group\n neighbor G remote-as 500\n neighbor 10.1.10.2 peer-group G\n")
    found = between(old, BGP)
    assert found[0] == Step(TOP, ("no neighbor 10.1.10.2",))
    assert "neighbor 10.1.10.2 remote-as 500" in found[1].commands
    assert found[2] == Step(TOP, ("no neighbor G peer-group",))
    assert found[3] == Step(FAMILY, ("neighbor 10.1.10.2 activate",))


def test_policy_comes_before_its_use_and_goes_after_it() -> None:
    policy = "ip prefix-list P seq 5 permit 10.0.0.0/8\nroute-map M permit 10\n match ip address prefix-list P\nexit\n"
    using = policy + BGP.replace("10.1.10.2 activate\n", "10.1.10.2 activate\n  neighbor 10.1.10.2 route-map M in\n")
    assert [step.commands[0] for step in between(BGP, using)] == [
        "ip prefix-list P seq 5 permit 10.0.0.0/8",
        "match ip address prefix-list P",
        "neighbor 10.1.10.2 route-map M in",
    ]
    back = [step.commands[0] for step in between(using, BGP)]
    assert back[0] == "no neighbor 10.1.10.2 route-map M in"
    assert set(back[1:]) == {"no route-map M permit 10", "no ip prefix-list P seq 5 permit 10.0.0.0/8"}


def test_a_list_entry_of_the_same_number_is_replaced() -> None:
    found = between("ip prefix-list P seq 5 permit 10.0.0.0/8\n", "ip prefix-list P seq 5 deny 10.0.0.0/8\n")
    assert [step.commands for step in found] == [("no ip prefix-list P seq 5 permit 10.0.0.0/8",), ("ip prefix-list P seq 5 deny 10.0.0.0/8",)]


@pytest.mark.parametrize(
    ("context", "command", "first"),
    [
        ((), "ip route 10.0.0.0/8 10.1.1.1", "staticd"),
        ((), "no ipv6 route ::/0 fe80::1", "staticd"),
        (("bfd",), "peer 10.1.1.1", "bfdd"),
        (TOP, "neighbor 10.1.1.1 remote-as 1", "bgpd"),
        ((), "no router bgp 65005", "bgpd"),
        ((), "ip prefix-list P seq 5 permit any", "bgpd"),
        ((), "bgp community-list standard C seq 5 permit 1:1", "bgpd"),
        ((), "no ip nht resolve-via-default", "zebra"),
        ((), "ip protocol bgp route-map M", "zebra"),
    ],
)
def test_who_takes_a_command(context: tuple[str, ...], command: str, first: str) -> None:
    assert daemons(context, command)[0] == first


def test_static_routes_go_through_mgmtd_where_there_is_one() -> None:
    assert daemons((), "ip route 10.0.0.0/8 10.1.1.1", mgmtd=True) == ("mgmtd",)


def test_a_prefix_that_was_dropped_is_free_before_it_gets_a_next_hop() -> None:
    drop, hop = "ip route 10.0.0.0/8 blackhole", "ip route 10.0.0.0/8 10.1.1.1"
    assert between(f"{drop}\n", f"{hop}\n") == [Step((), (f"no {drop}",)), Step((), (hop,))]
    assert between(f"{hop}\n", f"{drop}\n") == [Step((), (f"no {hop}",)), Step((), (drop,))]
    # Elsewhere the new next hop comes first: no packet is lost.
    assert between(f"{hop}\n", "ip route 10.0.0.0/8 10.1.1.2\n") == [Step((), ("ip route 10.0.0.0/8 10.1.1.2",)), Step((), (f"no {hop}",))]
    # A table of its own is another route.
    assert between(f"{drop}\n", f"{hop} table 10\n") == [Step((), (f"{hop} table 10",)), Step((), (f"no {drop}",))]
    assert between("access-list 1 seq 1 permit any\n", "access-list 1 remark reject this\n")[0].commands == ("access-list 1 remark reject this",)


def test_forwarding_is_not_ours() -> None:
    assert parse("no ip forwarding\nno ipv6 forwarding\nip forwarding\n").lines() == set()
