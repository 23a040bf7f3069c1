"""Differences of VyOS configurations: what is set, what is deleted, and what is left alone."""

from __future__ import annotations

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.vyos_lines import applied, delta, masked, parse_line

RUNNING = """
set interfaces ethernet eth0 address '172.20.20.4/24'
set interfaces ethernet eth1 address '10.1.10.1/24'
set interfaces ethernet eth1 hw-id '02:42:ac:11:00:06'
set protocols bgp neighbor 10.1.1.1 remote-as '500'
set protocols bgp neighbor 10.1.1.10 address-family ipv4-unicast nexthop-self
set protocols bgp neighbor 10.1.1.10 remote-as '500'
set protocols bgp system-as '65005'
set nat source rule 100 translation address 'masquerade'
set nat source rule 200 translation address 'masquerade'
"""
WANTED = [
    "set interfaces ethernet eth1 address 10.1.10.1/24",
    "set protocols bgp system-as 65005",
    "set protocols bgp neighbor 10.1.1.10 remote-as 500",
    "set protocols bgp neighbor 10.1.1.10 address-family ipv4-unicast nexthop-self",
    "set nat source rule 100 translation address masquerade",
]
OWNED = ["interfaces ethernet eth[1-9]*", "protocols bgp", "nat source rule 100"]
KEPT = ["interfaces ethernet * hw-id"]


def test_nothing_differs_gives_no_lines() -> None:
    wanted = [*WANTED, "set protocols bgp neighbor 10.1.1.1 remote-as 500"]
    assert delta(RUNNING, wanted, OWNED, KEPT, "exact") == []


def test_a_stale_neighbour_goes_as_one_node_and_its_namesake_by_prefix_stays() -> None:
    assert delta(RUNNING, WANTED, OWNED, KEPT, "exact") == ["delete protocols bgp neighbor 10.1.1.1"]


def test_a_stale_word_without_a_value_goes_though_another_one_comes_beside_it() -> None:
    wanted = [*WANTED, "set protocols bgp neighbor 10.1.1.1 remote-as 500", "set protocols bgp neighbor 10.1.1.10 passive"]
    stray = "set protocols bgp neighbor 10.1.1.10 shutdown"
    lines = delta(f"{RUNNING}{stray}\n", wanted, OWNED, KEPT, "exact")
    assert lines == ["delete protocols bgp neighbor 10.1.1.10 shutdown", "set protocols bgp neighbor 10.1.1.10 passive"]


def test_additive_never_deletes() -> None:
    assert delta(RUNNING, WANTED, OWNED, KEPT, "additive") == []


def test_a_rule_that_is_not_ours_stays_and_ours_goes() -> None:
    lines = delta(RUNNING, [line for line in WANTED if "nat" not in line], OWNED, KEPT, "exact")
    assert "delete nat source rule 100" in lines
    assert not any("rule 200" in line for line in lines)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param(
            ("set interfaces ethernet eth1 address 10.1.10.1/24", "set interfaces ethernet eth1 address 10.1.10.9/24"),
            ["delete interfaces ethernet eth1 address 10.1.10.1/24", "set interfaces ethernet eth1 address 10.1.10.9/24"],
            id="a second address would stay, so the old one is deleted",
        ),
        pytest.param(
            ("set protocols bgp system-as 65005", "set protocols bgp system-as 65006"),
            ["set protocols bgp system-as 65006"],
            id="a single value is replaced, not deleted",
        ),
    ],
)
def test_a_changed_value(changed: tuple[str, str], expected: list[str]) -> None:
    wanted = [line.replace(*changed) for line in WANTED]
    lines = delta(RUNNING, wanted, OWNED, KEPT, "exact")
    assert [line for line in lines if "10.1.1.1" not in line] == expected


def test_the_router_keeps_what_it_added_itself() -> None:
    lines = delta(RUNNING, [line for line in WANTED if "eth1" not in line], OWNED, KEPT, "exact")
    assert "delete interfaces ethernet eth1 address" in lines
    assert not any("hw-id" in line or line == "delete interfaces ethernet eth1" for line in lines)


def test_a_valueless_node_that_a_deeper_line_implies_is_not_set_again() -> None:
    assert delta(RUNNING, ["set protocols bgp neighbor 10.1.1.10 address-family ipv4-unicast"], [], [], "exact") == []


def test_what_is_no_set_line_is_refused() -> None:
    with pytest.raises(ValueError, match="not a set-line: 'delete protocols bgp'"):
        parse_line("delete protocols bgp")


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: exact, additive"):
        delta("", [], [], [], "merge")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("set protocols bgp neighbor 10.1.10.2 password 'S3cret'", "set protocols bgp neighbor 10.1.10.2 password ********"),
        ("set protocols bgp neighbor 10.1.10.2 password S3cret", "set protocols bgp neighbor 10.1.10.2 password ********"),
        ('+     password "S3cret$"\n+ }', "+     password ********\n+ }"),
        ("encrypted-password '$6$x$y'\nfull-name a", "encrypted-password ********\nfull-name a"),
        (["plaintext-password S3cret", 5, {"lines": ["password S3cret"]}], ["plaintext-password ********", 5, {"lines": ["password ********"]}]),
    ],
    ids=["quoted", "bare", "difference", "hash", "nested"],
)
def test_no_password_is_shown(text: object, shown: object) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text", ["set protocols bgp neighbor 10.1.10.2 remote-as '500'", "set service ssh disable-password-authentication", "delete x password"]
)
def test_what_is_no_password_is_shown(text: str) -> None:
    assert masked(text) == text


def test_what_a_push_makes_of_a_configuration() -> None:
    lines = ["delete protocols bgp neighbor 10.1.1.1", "set protocols bgp system-as 65006", "set interfaces ethernet eth1 address 10.1.10.9/24"]
    before, after = applied(RUNNING, []), applied(RUNNING, lines)
    assert set(before) - set(after) == {"set protocols bgp neighbor 10.1.1.1 remote-as 500", "set protocols bgp system-as 65005"}
    assert set(after) - set(before) == {"set protocols bgp system-as 65006", "set interfaces ethernet eth1 address 10.1.10.9/24"}


def test_a_valueless_node_stays_beside_a_new_one() -> None:
    """Only a value takes the place of a value."""
    line = "set protocols bgp neighbor 10.1.1.10 address-family ipv4-unicast route-reflector-client"
    assert set(applied(RUNNING, [line])) - set(applied(RUNNING, [])) == {line}
    assert set(applied(RUNNING, [])) <= set(applied(RUNNING, [line]))


def test_what_delta_says_is_what_is_missing() -> None:
    lines = delta(RUNNING, WANTED, OWNED, KEPT, "exact")
    assert delta("\n".join(applied(RUNNING, lines)), WANTED, OWNED, KEPT, "exact") == []
