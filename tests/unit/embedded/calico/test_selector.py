"""Calico's selector language, with what it refuses."""

from __future__ import annotations

import pytest
from leafspine_embedded.calico.selector import SelectorError, matches, parse

LABELS = {"rack": "rack0", "kubernetes.io/hostname": "worker-1", "in": "x", "empty": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rack == 'rack0'", True),
        ('rack == "rack1"', False),
        ("rack=='rack0'", True),
        ("rack != 'rack0'", False),
        ("missing != 'x'", True),
        ("missing == ''", False),
        ("empty == ''", True),
        ("rack in {'rack0', 'rack1'}", True),
        ("rack in {}", False),
        ("rack not in { 'rack0' }", False),
        ("missing not in {'x'}", True),
        ("missing in {'x'}", False),
        ("has(rack)", True),
        ("!has(rack)", False),
        ("! has( kubernetes.io/hostname )", False),
        ("has(missing) || rack == 'rack0'", True),
        ("has(missing) && rack == 'rack0'", False),
        ("has(missing) && has(missing) || has(rack)", True),
        ("has(missing) && (has(missing) || has(rack))", False),
        ("!(has(missing) || has(absent))", True),
        ("!!has(rack)", True),
        ("kubernetes.io/hostname starts with 'work'", True),
        ("kubernetes.io/hostname ends with '-2'", False),
        ("rack contains 'ack'", True),
        ("missing contains ''", False),
        ("in == 'x'", True),
        ("all()", True),
        ("all( )", True),
        ("!all()", False),
        ("global()", True),
        ("", True),
        ("   ", True),
    ],
)
def test_selects(text: str, expected: bool) -> None:
    assert matches(text, LABELS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "rack",
        "rack ==",
        "rack == rack0",
        "(rack == 'a'",
        "rack == 'a')",
        "has()",
        "== 'a'",
        "rack == 'a' 'b'",
        "rack & 'a'",
        "rack in 'a'",
        "rack in {'a' 'b'}",
        "&& all()",
        "all",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(SelectorError):
        parse(text)
