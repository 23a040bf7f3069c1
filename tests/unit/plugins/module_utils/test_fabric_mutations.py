"""Invented fabric files: each is refused with a message, or its intent fits together. Never an exception."""

from __future__ import annotations

import random
from typing import Any

import fabric_documents as documents
import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils.intent import from_document, load
from fabric_consistency import inconsistencies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Hypothesis prints its strategies, so the number that Python refuses to print is in test_fabric_refused.
# Values that are wrong almost everywhere, and some that are right somewhere.
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 31, 128, 129, 500, 23456, 65005, 65535, 2**32, 16**400, 1.5, float("nan"), float("inf"), "", " ", "x", "leaf0",
    "spine0", "worker", "control-plane", "all", "br-leaf0", "verbatim", "kind", "10.1.5.0/24", "10.1.5.10", "10.1.5.1", "10.1.9.0/24", "10.0.0.0/8",
    "0.0.0.0/0", "10.1.10.0/31", "10.255.0.0/16", "172.20.20.0/24", "172.20.20.1", "255.255.255.255", "10.1.5.0/33", "::1", "2001:db8::/32", "１0.1.5.0",
    "a" * 5000, "\u202e", "\x00", "\ud800", "{{ 7 * 7 }}", "../../etc", "-", "leaf_0", [], [[]], ["leaf0"], ["leaf0", "leaf0"], [None], {}, {"": None},
    {"leaf0": {}}, {"spine0": None}, {"name": "leaf9"}, {"asn": 5}, {"worker": "10.1.5.10"}, {"enabled": True}, {"keepalive": 1, "holdtime": 3}, b"x",
]  # fmt: skip
KEYS = ["asn", "subnet", "leaves", "servers", "uplinks", "spine0", "spine9", "leaf0", "leaf1", "rack0", "rack9", "worker", "worker4", "management", "leaf_port",
        "spine_port", "name", "timers", "bfd", "md5", "import_filter", "service_ranges",
        "enabled", "source", "rule", "layer4", "naming", "mtu", "lab_host", "link_pool", "link_prefix_length",
        "bridge_prefix", "", "x", "Ä", "a.b", "__class__"]  # fmt: skip


def containers(value: Any) -> list[Any]:
    """All mappings and lists inside a value."""
    found = []
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict | list):
            found.append(one)
            stack.extend(one.values() if isinstance(one, dict) else one)
    return found


def mutate(document: dict[str, Any], dice: random.Random) -> None:
    """Change one thing somewhere: a value, a key, an element; or copy a part to another place."""
    target = dice.choice(containers(document))
    value = dice.choice(VALUES) if dice.random() < 0.8 else dice.choice(containers(document))
    value = yaml.safe_load(yaml.safe_dump(value)) if isinstance(value, dict | list) else value
    keys = list(target) if isinstance(target, dict) else list(range(len(target)))
    action = dice.choice(["set", "set", "add", "remove", "rename"])
    if action == "add" or not keys:
        if isinstance(target, list):
            target.append(value)
        else:
            target[dice.choice(KEYS)] = value
    elif action == "set":
        target[dice.choice(keys)] = value
    elif action == "remove":
        del target[dice.choice(keys)]
    elif isinstance(target, dict):
        target[dice.choice(KEYS)] = target.pop(dice.choice(keys))


def start(dice: random.Random) -> dict[str, Any]:
    """A good document: the reference lab, or one with most optional keys."""
    if dice.random() < 0.5:
        return documents.reference()
    return documents.changed(
        ("lab_host", "bench"),
        ("bgp", {"timers": {"keepalive": 3, "holdtime": 9}, "bfd": {"enabled": True}, "import_filter": {"service_ranges": ["10.97.0.0/24"]}}),
        ("spines/spine2", {"asn": 900, "leaf_port": 4, "management": "172.20.20.77"}),
        ("racks/rack2", documents.rack(2, worker4="10.1.102.10")),
        ("racks/rack1/leaves/0", {"name": "leaf1", "spine_port": 9}),
        ("link_prefix_length", 30),
        ("cluster/naming", dice.choice(["kind", "verbatim"])),
        remove=("nat",),
    )


@pytest.mark.parametrize("seed", range(40))
def test_changed_documents(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(25):
        document = start(dice)
        for _ in range(dice.choice([1, 1, 1, 2, 3, 6])):
            mutate(document, dice)
        judge(document)


def test_the_start_is_accepted_and_some_changes_are_and_some_are_not() -> None:
    outcomes = []
    dice = random.Random(4711)
    for _ in range(300):
        assert judge(start(dice))
        document = start(dice)
        mutate(document, dice)
        outcomes.append(judge(document))
    assert 20 < sum(outcomes) < 280


def judge(document: Any) -> bool:
    """Whether a document is accepted. Fails if it is neither refused with a message nor consistent."""
    intent, problems = from_document(document)
    for problem in problems:
        text = str(problem)
        assert "\n" not in text
        assert len(text) < 1000
        assert text.split(": ", 1)[0]
        assert "allowed: " in text or "needed: " in text
    if intent is None:
        assert problems
        return False
    assert problems == []
    assert inconsistencies(intent) == []
    return True


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([value for value in VALUES if not isinstance(value, bytes)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TOP = st.sampled_from(
    ["plugin", "lab_name", "lab_host", "cluster", "management_subnet", "link_pool", "mtu", "bridge_prefix", "bgp", "ecmp", "nat", "calico", "spines", "racks"]
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(TOP, ANYTHING, max_size=3))
def test_anything_at_the_top_level(parts: dict[str, Any]) -> None:
    judge(documents.reference() | parts)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.text(max_size=12), ANYTHING, max_size=4), st.dictionaries(st.text(max_size=12), ANYTHING, max_size=4))
def test_anything_as_racks_and_spines(racks: dict[str, Any], spines: dict[str, Any]) -> None:
    document = documents.reference()
    document["racks"] |= racks
    document["spines"] |= spines
    judge(document)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 700), st.text(max_size=6), st.integers(0, 8))
def test_text_with_a_hole_and_something_else_in_it(place: int, other: str, length: int) -> None:
    text = documents.REFERENCE_FILE.read_text()
    intent, problems = load(text[:place] + other + text[place + length :])
    assert (intent is None) == bool(problems)
    if intent is not None:
        assert inconsistencies(intent) == []
