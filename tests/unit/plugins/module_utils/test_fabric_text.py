"""Fabric files that are refused for their text: what YAML makes of it, keys that are no text, keys that appear twice."""

from __future__ import annotations

import fabric_documents as documents
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.fabric_shape import MAX_TEXT, read
from ansible_collections.leafspine.calico.plugins.module_utils.intent import load

LAUGHS = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x]"] + [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 8)}]" for level in range(1, 9)])

TEXTS = [
    pytest.param("", "(file): the file is empty; allowed: a fabric, see ansible-doc -t inventory leafspine.calico.fabric", id="empty"),
    pytest.param("# only this\n", "(file): the file is empty; allowed: a fabric, see ansible-doc -t inventory leafspine.calico.fabric", id="comment"),
    pytest.param(
        "a:\n\t- b\n",
        "(file): not YAML: while scanning for the next token: found character '\\t' that cannot start any token in line 2, column 1",
        id="tab",
    ),
    pytest.param(
        "a: 1\n---\nb: 2\n",
        "(file): not YAML: expected a single document in the stream: but found another document in line 2, column 1",
        id="two documents",
    ),
    pytest.param(
        "a: [1, 2",
        "(file): not YAML: while parsing a flow sequence: expected ',' or ']', but got '<stream end>' in line 1, column 9",
        id="open bracket",
    ),
    pytest.param(
        "a: !!python/object/apply:os.system ['x']",
        "(file): not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object/apply:os.system' in line 1, column 4",
        id="code",
    ),
    pytest.param("a: *b", "(file): not YAML: found undefined alias 'b' in line 1, column 4", id="undefined alias"),
    pytest.param("a: \x00", "(file): not YAML: special characters are not allowed", id="NUL"),
    pytest.param("&a [*a]", "(file): values are nested too deep (line 1); allowed: 20 levels", id="list that holds itself"),
    pytest.param("&a {x: *a}", "(file): values are nested too deep (line 1); allowed: 20 levels", id="mapping that holds itself"),
    pytest.param(LAUGHS, "(file): the file holds too many values, counting aliases; allowed: 30000", id="aliases of aliases"),
    pytest.param("[" * 2000, "(file): values are nested too deep; allowed: 20 levels", id="thousands of brackets"),
    pytest.param("a: " + "x" * MAX_TEXT, "(file): 300003 characters are more than a fabric file can have; allowed: 300000", id="long text"),
    pytest.param("mtu: 2024-13-45", "(file): a value cannot be read: month must be in 1..12", id="no such date"),
    pytest.param("? [a]\n: b\n", "(file): not YAML: while constructing a mapping: found unhashable key in line 1, column 3", id="list as key"),
    pytest.param("racks: {1: x}", "racks: the key '1' (line 1) is no text; allowed: names, in quotes where YAML reads something else", id="number as key"),
    pytest.param("~: x", "(file): the key '~' (line 1) is no text; allowed: names, in quotes where YAML reads something else", id="null as key"),
    pytest.param("yes: x", "(file): the key 'yes' (line 1) is no text; allowed: names, in quotes where YAML reads something else", id="true as key"),
    pytest.param("lab_name: ab\nmtu: 1500\nlab_name: cd\n", "lab_name: appears again in line 3, first in line 1; allowed: once", id="key twice"),
    pytest.param('"\\u202e": 1', "'\\u202e': unknown key; allowed: bgp, ", id="odd characters in a key"),
    pytest.param('lab_name: "{{ x }}"', "lab_name: '{{ x }}' is not a name; ", id="template"),
    pytest.param("lab_name: !!binary aGVsbG8=", "lab_name: found b'hello'; allowed: a name", id="bytes"),
    pytest.param('lab_name: "\\ud800"', "lab_name: '\\ud800' is not a name; ", id="half a character"),
    pytest.param("mtu: 0x" + "f" * 5000, "mtu: a number far beyond any that a fabric has; allowed: whole numbers of at most 10 digits", id="huge hexadecimal"),
    pytest.param("mtu: " + "9" * 5000, "(file): a value cannot be read: Exceeds the limit", id="huge decimal"),
    pytest.param("mtu: .inf", "mtu: found inf; allowed: a whole number", id="infinity"),
    pytest.param("racks: !!set {a, b}", "racks: found {", id="set"),
]


@pytest.mark.parametrize(("text", "problem"), TEXTS)
def test_refused(text: str, problem: str) -> None:
    intent, found = load(text)
    assert intent is None
    assert any(str(one).startswith(problem) for one in found), [str(one) for one in found]


def test_a_server_that_appears_twice_is_refused_with_its_lines() -> None:
    text = documents.REFERENCE_FILE.read_text().replace("worker: 10.1.5.11", "worker: 10.1.5.11, worker: 10.1.5.12")
    intent, found = load(text)
    assert intent is None
    assert [str(one) for one in found] == ["racks.rack0.servers.worker: appears again in line 19, first in line 19; allowed: once"]


def test_problems_of_the_text_the_shape_and_the_fabric_are_all_found() -> None:
    text = documents.REFERENCE_FILE.read_text().replace("worker: 10.1.5.11", "worker: 10.1.9.11") + "mtu: big\nmtu: small\n"
    assert [str(one) for one in load(text)[1]] == [
        "mtu: appears again in line 28, first in line 27; allowed: once",
        "mtu: found text 'small'; allowed: a whole number",
        "racks.rack0.servers.worker: 10.1.9.11 is outside the rack's subnet 10.1.5.0/24; allowed: 10.1.5.2 - 10.1.5.254",
    ]


def test_anchors_and_merges_are_read() -> None:
    text = "plugin: &name leafspine.calico.fabric\nbase: &base {asn: 5}\nspines: {spine0: {<<: *base, leaf_port: 1}}\nlab_name: *name\n"
    document, problems = read(text)
    assert problems == []
    assert document["spines"] == {"spine0": {"asn": 5, "leaf_port": 1}}
