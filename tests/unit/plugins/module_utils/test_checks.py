"""Checks as text and as numbers."""

from __future__ import annotations

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.checks import check, failed, line, lines, shown, summary

GOOD = check("session", "leaf0", "AS number", 65005, 65005, "show bgp summary")
BAD = check("session", "leaf0", "AS number", 65005, 1, "show bgp summary")
OTHER = check("MTU", "leaf1", "eth1", {"b", "a"}, [], "ip link", ok=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), ("", "none"), ([], "none"), (set(), "none"), ({"b", "a"}, "a b"), (["b", "a"], "b a"), (0, "0"), (False, "False"), ("x y", "x y")],
)
def test_a_value_as_people_read_it(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_line_has_where_what_expected_found_and_the_way_to_look() -> None:
    assert line(BAD) == "leaf0: AS number: expected 65005, found 1 (look: show bgp summary)"
    assert line(OTHER) == "leaf1: eth1: expected a b, found none (look: ip link)"


def test_only_what_does_not_hold_is_said_and_only_once() -> None:
    assert failed([GOOD, BAD]) == [BAD]
    assert lines([GOOD, BAD, BAD, OTHER]) == [line(BAD), line(OTHER)]


def test_the_summary_counts_by_subject() -> None:
    found = summary([GOOD, BAD, OTHER])
    assert (found["passed"], found["failed"], found["subjects"]) == (1, 2, {"session": [1, 1], "MTU": [0, 1]})
    assert found["text"] == "1 of 3 expectations hold: session 1, MTU 0"
    assert summary([]) == {"passed": 0, "failed": 0, "subjects": {}, "text": "0 of 0 expectations hold: "}
