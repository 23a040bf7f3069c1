"""The YAML writer against a real YAML reader."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.leafspine.calico.plugins.module_utils.yaml_text import to_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = st.text(max_size=20) | st.text(alphabet="ab \n-:#'\"\t{}[]|>&*!%@`,.1e0~", max_size=12)
LEAF = st.none() | st.booleans() | st.integers() | TEXT
VALUE = st.recursive(LEAF, lambda child: st.lists(child, max_size=3) | st.dictionaries(TEXT, child, max_size=3), max_leaves=8)


@settings(max_examples=200, deadline=None)
@given(VALUE)
def test_what_is_written_reads_back_equal(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


@pytest.mark.parametrize(
    "word",
    ["yes", "No", "1.10", "65005", "0x1", "10.1.5.1", "10.1.5.0/24", "1.2.3", "2026-01-01", "null", "~", "", " a", "a: b", "#x", "=", "<<", "\x7f", "\x85"],
)
def test_words_that_yaml_would_read_as_something_else_stay_text(word: str) -> None:
    assert yaml.safe_load(to_yaml({"key": word})) == {"key": word}


def test_several_lines_become_a_literal_block() -> None:
    assert to_yaml({"patches": ["kind: A\nnode-ip: b\n"]}) == "patches:\n- |\n  kind: A\n  node-ip: b\n"
