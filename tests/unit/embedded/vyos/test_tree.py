from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leafspine_embedded.vyos.compare import compare, compare_commands
from leafspine_embedded.vyos.merge import merge
from leafspine_embedded.vyos.schema import grammar, walk
from leafspine_embedded.vyos.tree import Node, Tree, TreeError, natural_key


def tree(*lines: str) -> Tree:
    made = Tree()
    for line in lines:
        found = walk(grammar(), line.split())
        made.insert(found.steps, found.value, multi=found.rule.multi)
    return made


def test_round_trip() -> None:
    made = tree(
        "interfaces ethernet eth1 address 10.1.10.1/24",
        "interfaces ethernet eth1 address 2001:db8::1/64",
        "protocols bgp neighbor 10.1.10.2 address-family ipv4-unicast nexthop-self",
        "protocols bgp neighbor 10.1.10.2 shutdown",
        "system host-name leaf0",
    )
    assert Tree.parse(made.text()) == made


def test_values_that_need_quotes() -> None:
    made = Tree()
    for value in ("to spine0", "", "semi;colon", "a{b", "back\\slash"):
        made.root.children["x"] = Node("leaf", [value])
        assert Tree.parse(made.text()) == made


@pytest.mark.parametrize("text", ["a {", "}", "a {\n}\na b {\n}", "a b c", 'a "b'])
def test_bad_text(text: str) -> None:
    with pytest.raises(TreeError):
        Tree.parse(text)


def test_comments_and_footer_are_tolerated() -> None:
    text = '/* a\n comment */\nsystem {\n    /* name */\n    host-name "leaf0"\n}\n// vyos-config-version: "x@1"\n'
    assert Tree.parse(text) == tree("system host-name leaf0")


def test_natural_order() -> None:
    names = ["eth10", "eth2", "10.1.10.2", "10.1.5.10", "maximum-prefix-out", "maximum-prefix"]
    assert sorted(names, key=natural_key) == ["10.1.5.10", "10.1.10.2", "eth2", "eth10", "maximum-prefix", "maximum-prefix-out"]


def test_delete() -> None:
    made = tree("interfaces ethernet eth1 address 10.1.10.1/24", "interfaces ethernet eth1 address 10.1.11.1/24")
    path = ["interfaces", "ethernet", "eth1", "address"]
    assert made.delete([*path, "10.1.10.1/24"])
    assert made.values(*path) == ["10.1.11.1/24"]
    assert made.delete([*path, "10.1.11.1/24"])
    assert not made.exists(path)
    assert not made.delete(path)
    assert made.delete(["interfaces", "ethernet", "eth1"])
    assert not made.exists(["interfaces", "ethernet"])


def test_a_single_valued_leaf_loses_its_old_value() -> None:
    made = tree("protocols bgp system-as 1", "protocols bgp system-as 2")
    assert made.values("protocols", "bgp", "system-as") == ["2"]


def test_compare_of_several_values() -> None:
    old = tree("interfaces ethernet eth1 address 10.1.10.1/24", "interfaces ethernet eth1 address 10.1.11.1/24")
    new = tree("interfaces ethernet eth1 address 10.1.11.1/24", "interfaces ethernet eth1 address 10.1.12.1/24")
    assert compare(old, new) == '[interfaces ethernet eth1]\n- address "10.1.10.1/24"\n+ address "10.1.12.1/24"\n'
    assert compare(new, new) == ""


def test_compare_commands() -> None:
    """What the old tree has comes first, as in the real comparison."""
    old = tree("system host-name a1", "protocols bgp system-as 5", "protocols bgp neighbor 10.0.0.1 shutdown")
    new = tree("system host-name b1", "protocols bgp system-as 5", "nat source rule 1 exclude")
    assert compare_commands(old, new) == (
        "delete protocols bgp neighbor 10.0.0.1 shutdown\ndelete system host-name 'a1'\nset system host-name 'b1'\nset nat source rule 1 exclude\n"
    )


def test_merge_keeps_both_sides() -> None:
    base = tree("system host-name a1", "interfaces ethernet eth1 address 10.0.0.1/24", "system name-server 1.1.1.1")
    mine, theirs = base.copy(), base.copy()
    mine.delete(["interfaces", "ethernet", "eth1"])
    mine.insert([("system", "node"), ("name-server", "leaf")], "2.2.2.2", multi=True)
    theirs.insert([("system", "node"), ("name-server", "leaf")], "3.3.3.3", multi=True)
    theirs.insert([("system", "node"), ("host-name", "leaf")], "b1")
    merged = Tree(merge(base.root, mine.root, theirs.root))
    assert merged.value("system", "host-name") == "b1"
    assert sorted(merged.values("system", "name-server")) == ["1.1.1.1", "2.2.2.2", "3.3.3.3"]
    assert not merged.exists(["interfaces", "ethernet", "eth1"])


LINES = st.lists(
    st.sampled_from(
        [
            "system host-name a1",
            "system host-name b1",
            "system name-server 1.1.1.1",
            "system name-server 9.9.9.9",
            "nat source rule 10 exclude",
            "nat source rule 2 exclude",
            "protocols bgp neighbor 10.0.0.1 shutdown",
            "protocols bgp neighbor 10.0.0.1 remote-as 5",
            "protocols bgp neighbor 10.0.0.2 remote-as 6",
        ]
    ),
    max_size=8,
)


@given(LINES, LINES)
def test_the_difference_leads_from_one_to_the_other(before: list[str], after: list[str]) -> None:
    old, new = tree(*before), tree(*after)
    moved = old.copy()
    for line in compare_commands(old, new).splitlines():
        words = line.replace("'", "").split()
        if words[0] == "delete":
            moved.delete(words[1:])
        else:
            found = walk(grammar(), words[1:])
            moved.insert(found.steps, found.value, multi=found.rule.multi)
    assert {line for line in moved.commands() if " " in line} >= set(new.commands())
    assert (compare(old, new) == "") == (set(old.commands()) == set(new.commands()))


@given(LINES)
def test_text_round_trip(lines: list[str]) -> None:
    made = tree(*lines)
    assert Tree.parse(made.text()) == made
