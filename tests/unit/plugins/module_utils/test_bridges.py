"""The plan for the racks' bridges: what is created, repaired, refused and left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.bridges import Bridge, BridgeError, Observed, owned_rules, plan, rule_key, snapshot

OWNER = "lab"
MARK = "leafspine:lab"
EMPTY = Observed(links={}, rules=["-P FORWARD ACCEPT"], iptables="/usr/sbin/iptables", filtered=False)
WANTED = [{"name": "br-leaf0", "mtu": 1500}]


def bridge(name: str = "br-leaf0", **given: Any) -> Bridge:
    return replace(Bridge(name=name, mtu=1500, up=True, alias=MARK, is_bridge=True), **given)


def with_links(*links: Bridge, observed: Observed = EMPTY) -> Observed:
    return replace(observed, links={link.name: link for link in links})


def rule(chain: str, direction: str, name: str = "br-leaf0", owner: str = OWNER, quoted: bool = False) -> str:
    comment = f'"{rule_key(owner)}"' if quoted else rule_key(owner)
    return f"-A {chain} {direction} {name} -m comment --comment {comment} -j ACCEPT"


def present(observed: Observed, accept: str = "auto", wanted: list[dict[str, Any]] = WANTED) -> list[str]:
    return [" ".join(command) for command in plan(wanted, OWNER, "present", accept, observed)]


def absent(observed: Observed) -> list[str]:
    return [" ".join(command) for command in plan([], OWNER, "absent", "auto", observed)]


def test_a_missing_bridge_is_made_with_its_mtu_marked_and_up() -> None:
    assert present(EMPTY, wanted=[{"name": "br-x", "mtu": 9000}]) == [
        "ip link add name br-x mtu 9000 type bridge forward_delay 0",
        "ip link set dev br-x addrgenmode none alias leafspine:lab",
        "ip link set dev br-x up",
    ]


def test_a_bridge_as_it_should_be_needs_nothing() -> None:
    assert present(with_links(bridge())) == []


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        pytest.param({"up": False}, ["ip link set dev br-leaf0 up"], id="down"),
        pytest.param({"mtu": 9000}, ["ip link set dev br-leaf0 mtu 1500"], id="other MTU"),
        pytest.param({"mtu": 1400, "up": False}, ["ip link set dev br-leaf0 mtu 1500", "ip link set dev br-leaf0 up"], id="both"),
    ],
)
def test_drift_is_repaired_without_making_the_bridge_anew(drift: dict[str, Any], expected: list[str]) -> None:
    assert present(with_links(bridge(**drift))) == expected


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param({"is_bridge": False}, "not a bridge", id="a link that is no bridge"),
        pytest.param({"alias": ""}, "carries no lab's mark", id="somebody's bridge"),
        pytest.param({"alias": "leafspine:other"}, "belongs to leafspine:other", id="another lab's bridge"),
        pytest.param({"alias": "leafspine:lab2"}, "belongs to leafspine:lab2", id="a lab whose name starts like ours"),
    ],
)
def test_what_is_not_ours_is_refused_by_name_and_never_removed(found: dict[str, Any], words: str) -> None:
    observed = with_links(bridge(**found))
    with pytest.raises(BridgeError, match=words) as refused:
        present(observed)
    assert "br-leaf0" in str(refused.value)
    assert "bridge_prefix" in str(refused.value)
    if found.get("alias") is not None:
        assert absent(observed) == []


@pytest.mark.parametrize("name", ["", "br-1234567890123"], ids=["empty", "16 characters"])
def test_a_name_the_kernel_cannot_take_is_refused(name: str) -> None:
    with pytest.raises(BridgeError, match="1 to 15 characters"):
        present(EMPTY, wanted=[{"name": name, "mtu": 1500}])


def test_a_name_of_15_characters_is_taken() -> None:
    assert len(present(EMPTY, wanted=[{"name": "br-123456789012", "mtu": 1500}])) == 3


# --- firewall ------------------------------------------------------------------------------------------------------------

FILTERED = replace(EMPTY, filtered=True)


@pytest.mark.parametrize(
    ("filtered", "accept", "rules"),
    [
        pytest.param(False, "auto", 0, id="auto, bridged packets bypass iptables"),
        pytest.param(True, "auto", 2, id="auto, bridged packets pass through iptables"),
        pytest.param(False, "always", 2, id="always"),
        pytest.param(True, "never", 0, id="never"),
    ],
)
def test_rules_are_kept_where_they_are_asked_for(filtered: bool, accept: str, rules: int) -> None:
    commands = present(with_links(bridge(), observed=replace(EMPTY, filtered=filtered)), accept)
    assert sum(command.startswith("/usr/sbin/iptables -w -I FORWARD") for command in commands) == len(commands) == rules


def test_rules_name_bridge_direction_and_owner() -> None:
    assert present(with_links(bridge(), observed=FILTERED)) == [
        "/usr/sbin/iptables -w -I FORWARD -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
        "/usr/sbin/iptables -w -I FORWARD -o br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
    ]


def test_with_docker_the_rules_go_where_docker_leaves_them_alone() -> None:
    observed = replace(with_links(bridge(), observed=FILTERED), rules=["-P FORWARD DROP", "-N DOCKER-USER"])
    assert all(" -I DOCKER-USER " in command for command in present(observed))


@pytest.mark.parametrize("quoted", [False, True], ids=["bare comment", "quoted comment"])
def test_rules_that_are_there_are_not_added_again(quoted: bool) -> None:
    rules = [rule("FORWARD", "-i", quoted=quoted), rule("FORWARD", "-o", quoted=quoted)]
    assert present(replace(with_links(bridge(), observed=FILTERED), rules=rules)) == []


def test_only_the_missing_direction_is_added() -> None:
    commands = present(replace(with_links(bridge(), observed=FILTERED), rules=[rule("FORWARD", "-i")]))
    assert len(commands) == 1
    assert " -o br-leaf0 " in commands[0]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(rule("FORWARD", "-i", owner="lab2"), id="another lab's"),
        pytest.param("-A FORWARD -i br-leaf0 -j ACCEPT", id="without a mark"),
        pytest.param('-A FORWARD -i br-leaf0 -m comment --comment "set by containerlab" -j ACCEPT', id="containerlab's"),
    ],
)
def test_rules_of_others_neither_count_nor_go(other: str) -> None:
    observed = replace(with_links(bridge(), observed=FILTERED), rules=[other])
    assert owned_rules(OWNER, observed) == []
    assert len(present(observed)) == 2
    assert absent(observed) == ["ip link delete br-leaf0"]


def test_rules_needed_without_iptables_are_refused_before_anything_is_done() -> None:
    with pytest.raises(BridgeError, match="install iptables"):
        present(replace(FILTERED, iptables=None))
    assert present(replace(FILTERED, iptables=None), "never") != []
    assert present(replace(EMPTY, iptables=None)) != []


# --- what an earlier inventory left ---------------------------------------------------------------------------------------


def test_a_bridge_whose_rack_is_gone_goes_with_its_rules_and_nothing_else_is_touched() -> None:
    ours, stale, foreign = bridge(), bridge("br-leaf7"), bridge("br-x", alias="leafspine:lab2")
    rules = [rule("FORWARD", "-i"), rule("FORWARD", "-o"), rule("FORWARD", "-i", "br-leaf7"), rule("FORWARD", "-i", "br-x", owner="lab2")]
    assert present(replace(with_links(ours, stale, foreign, observed=FILTERED), rules=rules)) == [
        "/usr/sbin/iptables -w -D FORWARD -i br-leaf7 -m comment --comment leafspine:lab -j ACCEPT",
        "ip link delete br-leaf7",
    ]


def test_a_link_with_our_mark_that_is_no_bridge_is_not_taken_for_one() -> None:
    assert present(with_links(bridge(), bridge("veth7", is_bridge=False))) == []


@pytest.mark.parametrize("accept", ["never", "auto"])
def test_rules_that_are_not_wanted_any_more_go(accept: str) -> None:
    assert present(replace(with_links(bridge()), rules=[rule("FORWARD", "-i")]), accept) == [
        "/usr/sbin/iptables -w -D FORWARD -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
    ]


def test_a_rule_in_the_chain_that_docker_passes_by_moves() -> None:
    observed = replace(with_links(bridge(), observed=FILTERED), rules=["-N DOCKER-USER", rule("FORWARD", "-i"), rule("DOCKER-USER", "-o")])
    assert present(observed) == [
        "/usr/sbin/iptables -w -D FORWARD -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
        "/usr/sbin/iptables -w -I DOCKER-USER -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
    ]


# --- teardown ------------------------------------------------------------------------------------------------------------


def test_absent_takes_rules_and_bridge_in_whichever_chain_they_are() -> None:
    rules = [rule("FORWARD", "-i"), rule("DOCKER-USER", "-o", quoted=True)]
    assert absent(replace(with_links(bridge()), rules=rules)) == [
        "/usr/sbin/iptables -w -D FORWARD -i br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
        "/usr/sbin/iptables -w -D DOCKER-USER -o br-leaf0 -m comment --comment leafspine:lab -j ACCEPT",
        "ip link delete br-leaf0",
    ]


def test_absent_finds_rules_whose_bridge_is_gone() -> None:
    assert len(absent(replace(EMPTY, rules=[rule("FORWARD", "-i")]))) == 1


def test_absent_of_nothing_needs_nothing() -> None:
    assert absent(EMPTY) == []


def test_the_deleting_command_undoes_the_inserting_one() -> None:
    """What -I wrote is what iptables -S shows after -A; the -D built from it names the same rule."""
    inserted = plan(WANTED, OWNER, "present", "always", with_links(bridge()))
    shown = [" ".join(["-A", *command[3:]]) for command in inserted]
    deleted = plan([], OWNER, "absent", "always", replace(EMPTY, rules=shown))
    assert [command[3:] for command in deleted] == [command[3:] for command in inserted]


def test_the_snapshot_shows_bridges_and_our_rules_only() -> None:
    observed = replace(with_links(bridge(up=False, mtu=1400)), rules=[rule("FORWARD", "-i"), rule("FORWARD", "-i", owner="lab2")])
    assert snapshot(["br-leaf0", "br-leaf1"], OWNER, observed).splitlines() == [
        "br-leaf0: mtu 1400, down, alias leafspine:lab",
        "br-leaf1: absent",
        rule("FORWARD", "-i"),
    ]
