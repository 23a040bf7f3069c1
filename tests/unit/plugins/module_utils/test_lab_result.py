"""Results as documents: their schema, JUnit's XML, and what people read first."""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import junit, lab_result
from observed_lab import all_checks, healthy

SCHEMA = json.loads((Path(__file__).parents[4] / "playbooks" / "files" / "result.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
RUN = {
    "engine": "embedded",
    "started": "2026-11-25T10:00:00.000000Z",
    "finished": "2026-11-25T10:00:12.500000Z",
    "routers": ["leaf0", "leaf1", "spine0", "spine1"],
}
Result = dict[str, Any]

# What the JUnit format knows (the schema that Jenkins publishes): attributes by element, the needed ones marked with *.
JUNIT = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name*", "tests*", "failures*", "errors*", "time", "skipped", "timestamp"},
    "properties": set(),
    "property": {"name*", "value*"},
    "testcase": {"name*", "classname*", "time"},
    "failure": {"message", "type*"},
}
CHILDREN = {"testsuites": ["testsuite"], "testsuite": ["properties", "testcase"], "properties": ["property"], "testcase": ["failure"]}


def result(change: Any = None) -> Result:
    lab = healthy()
    if change:
        change(lab)
    return lab_result.verify_result(all_checks(lab), lab["fabric"], RUN)


def without_neighbour(lab: dict[str, Any]) -> None:
    peers = lab["tables"]["leaf0"]["sessions"]["ipv4Unicast"]["peers"]
    del peers[next(one["address"] for one in lab["fabric"]["routers"][2]["neighbors"] if one["device"] == "spine1")]


def strange_junit(text: str) -> list[str]:
    """What in an XML text is not JUnit's, or counts wrongly."""
    problems = []

    def walk(element: ElementTree.Element) -> None:
        known = JUNIT.get(element.tag, set())
        needed = {name.rstrip("*") for name in known if name.endswith("*")}
        if missing := needed - set(element.attrib):
            problems.append(f"{element.tag}: no {sorted(missing)}")
        if strange := set(element.attrib) - {name.rstrip("*") for name in known}:
            problems.append(f"{element.tag}: {sorted(strange)}")
        for child in element:
            if child.tag not in CHILDREN.get(element.tag, []):
                problems.append(f"{child.tag} in {element.tag}")
            walk(child)
        if element.tag in ("testsuite", "testsuites"):
            for attribute, tag in (("tests", "testcase"), ("failures", "failure")):
                if int(element.attrib[attribute]) != len(list(element.iter(tag))):
                    problems.append(f"{element.tag} {element.get('name')}: {attribute}={element.attrib[attribute]}")

    walk(ElementTree.fromstring(text))
    return problems


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_healthy_lab_passes() -> None:
    found = result()
    VALIDATOR.validate(found)
    assert (found["outcome"], found["failed"], found["seconds"], found["complete"]) == ("passed", 0, 12.5, True)
    assert found["passed"] == len(found["checks"]) == sum(count["passed"] for count in found["subjects"].values()) > 400
    assert json.loads(json.dumps(found)) == found


def test_a_false_expectation_fails_and_comes_first() -> None:
    found = result(without_neighbour)
    VALIDATOR.validate(found)
    assert found["outcome"] == "failed"
    first = found["checks"][0]
    assert first == {
        "subject": "session",
        "step": "",
        "where": "leaf0",
        "what": "session with spine1 (10.133.12.2)",
        "expected": "Established",
        "found": "no such neighbour",
        "command": "./lab shell leaf0 show bgp summary",
        "ok": False,
    }
    assert [one["ok"] for one in found["checks"]] == sorted(one["ok"] for one in found["checks"])


def test_nothing_that_was_judged_is_no_success() -> None:
    found = lab_result.verify_result([], healthy()["fabric"], RUN | {"routers": ["leaf0"]})
    VALIDATOR.validate(found)
    assert (found["outcome"], found["complete"]) == ("failed", False)
    assert lab_result.console(found) == "nothing was looked at: no expectation was judged"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda one: one.pop("outcome"), id="no outcome"),
        pytest.param(lambda one: one.update(colour="red"), id="an unknown key"),
        pytest.param(lambda one: one["checks"][0].update(ok="yes"), id="a truth that is text"),
        pytest.param(lambda one: one["checks"][0].update(command=""), id="no command"),
        pytest.param(lambda one: one.update(started="yesterday"), id="no time"),
        pytest.param(lambda one: one.update(kind="drill"), id="another kind"),
    ],
)
def test_the_schema_refuses(spoil: Any) -> None:
    found = copy.deepcopy(result())
    spoil(found)
    assert not VALIDATOR.is_valid(found)


def test_steps_and_secrets() -> None:
    check = {"subject": "configuration", "where": "drill x: leaf0", "expected": "this line", "found": "no such line", "look": "show configuration", "ok": False}
    line = "configuration protocols bgp neighbor 10.0.0.1 password 'Geheim99'"
    entry = lab_result.verify_result([{**check, "what": line}], healthy()["fabric"], RUN)["checks"][0]
    assert (entry["step"], entry["where"]) == ("drill x", "leaf0")
    assert entry["what"] == "configuration protocols bgp neighbor 10.0.0.1 password ********"


@pytest.mark.parametrize(
    ("look", "where", "command"),
    [
        ("kubectl get nodes", "Kubernetes API", "./lab kubectl get nodes"),
        ("show bgp summary", "leaf0", "./lab shell leaf0 show bgp summary"),
        ("show configuration commands | match 800", "leaf0", "./lab shell leaf0 'show configuration commands | match 800'"),
        ("ip route show 10.1.0.0/24", "th-lab-worker", "./lab shell th-lab-worker ip route show 10.1.0.0/24"),
        ("on spine0: curl -s http://10.1.1.1/", "spine0", "./lab shell spine0 curl -s http://10.1.1.1/"),
        ("ssh leaf0", "leaf0", "./lab shell leaf0"),
        ("on leaf0: sudo tcpdump -nn -i any icmp", "leaf0", "on leaf0: sudo tcpdump -nn -i any icmp"),
        ("curl of the ClusterIP on the routers", "routers", "curl of the ClusterIP on the routers"),
    ],
)
def test_how_to_look_for_oneself(look: str, where: str, command: str) -> None:
    assert lab_result.command(look, where, healthy()["fabric"]) == command


def test_people_read_what_is_false_first() -> None:
    text = lab_result.console(result(without_neighbour), "results/th-lab")
    lines = text.splitlines()
    assert lines[0].endswith("of 418 expectations do not hold") or "expectations do not hold" in lines[0]
    start = lines.index("  leaf0: session with spine1 (10.133.12.2)")
    assert lines[start + 1 : start + 4] == ["    expected Established", "    found    no such neighbour", "    look     ./lab shell leaf0 show bgp summary"]
    assert lines[-2].startswith("what holds: node 20")
    assert lines[-1] == "all of it: results/th-lab/verify.json, verify.xml (JUnit)"
    healthy_text = lab_result.console(result())
    assert healthy_text.startswith("462 of 462 expectations hold: node 20, ")
    assert "\n" not in healthy_text


def test_what_is_false_a_hundred_times_is_not_told_a_hundred_times() -> None:
    def dark(lab: dict[str, Any]) -> None:
        lab["tables"]["leaf0"]["routes"] = []

    found = result(dark)
    false = sum(not one["ok"] for one in found["checks"] if one["subject"] == "kernel route")
    assert false > lab_result.MOST_TOLD
    assert f"  and {false - lab_result.MOST_TOLD} more" in lab_result.console(found).splitlines()


def test_junit_is_junit_and_says_what_failed() -> None:
    for found in (result(), result(without_neighbour)):
        text = junit.junit(found)
        assert strange_junit(text) == []
        root = ElementTree.fromstring(text)
        assert (root.get("tests"), root.get("failures")) == (str(len(found["checks"])), str(found["failed"]))
    failure = next(root.iter("failure"))
    assert failure.get("message") == "expected Established, found no such neighbour"
    assert "./lab shell leaf0 show bgp summary" in (failure.text or "")


def test_what_is_not_junit_is_found() -> None:
    text = junit.junit(result()).replace('<testcase name="', '<testcase nome="', 1).replace('tests="462"', 'tests="463"', 1)
    assert strange_junit(text) == ["testcase: no ['name']", "testcase: ['nome']", "testsuites verify th-lab: tests=463"]


def test_junit_without_its_package_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "HAS_JUNITPARSER", False)
    with pytest.raises(RuntimeError, match="junitparser is needed on the controller"):
        junit.junit(result())
