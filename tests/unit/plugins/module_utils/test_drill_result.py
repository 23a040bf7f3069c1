"""Bounds of a drill's steps, and its document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import drill_result
from ansible_collections.leafspine.calico.plugins.module_utils.checks import check, failed

SCHEMA: dict[str, Any] = json.loads((Path(__file__).resolve().parents[4] / "playbooks" / "files" / "result.schema.json").read_text(encoding="utf-8"))
STEPS = [
    {"name": "down", "do": "configure", "at": 100.0, "bound": {"gap_ms": 50}},
    {"name": "look", "do": "expect", "at": 103.0, "bound": None},
    {"name": "up", "do": "configure", "at": 110.0, "bound": {"lost": 0}},
    {"name": "look again", "do": "expect", "at": 113.0, "bound": None},
]
RUN = {"engine": "embedded", "name": "x", "title": "A drill", "number": 1, "interval_ms": 5, "finished": 120.0}


def flow(*outages: tuple[float | None, float | None, int, float | None], **more: Any) -> dict[str, Any]:
    found = [dict(zip(("at", "until", "lost", "gap_ms"), one, strict=True)) for one in outages]
    plain = {"direction": "request", "from": "a", "to": "b", "protocol": "udp", "port": 43000, "uplink": "eth1", "sent": 4000, "duplicates": 0}
    return plain | {"lost": sum(one["lost"] for one in found), "longest_gap_ms": 0.0, "gap_at": None, "outages": found, "error": ""} | more


def bad(*flows: dict[str, Any], steps: list[dict[str, Any]] | None = None) -> list[str]:
    return [f"{one['where']}: {one['what']}: {one['expected']}, {one['found']}" for one in failed(drill_result.bound_checks("x", steps or STEPS, list(flows)))]


def test_a_loss_counts_where_it_began() -> None:
    assert bad(flow((101.0, 101.045, 8, 45.0))) == []
    assert bad(flow((109.999, 110.3, 50, 40.0))) == []
    assert bad(flow((110.5, 110.51, 1, 10.0))) == ["drill x, up: packets lost: 0, 1"]


def test_a_gap_beyond_the_bound_is_found() -> None:
    assert bad(flow((101.0, 101.06, 11, 60.0))) == ["drill x, down: longest gap in ms: at most 50, 60.0 (udp 43000 request)"]


def test_the_delay_of_tcp_is_no_gap_but_what_it_lost_is_lost() -> None:
    assert bad(flow(protocol="tcp", longest_gap_ms=400.0)) == []
    assert bad(flow((None, None, 3, None), protocol="tcp")) == ["drill x, up: packets lost: 0, 3"]


def test_losses_at_the_ends_belong_to_the_first_and_last_window() -> None:
    found = drill_result.bounds(STEPS, [flow((None, 99.0, 2, None), (119.0, None, 5, None))])
    assert [one["found"]["lost"] for one in found] == [2, 5]


@pytest.mark.parametrize(("lost", "holds"), [(24, False), (25, True), (26, False)])
def test_an_exact_number(lost: int, holds: bool) -> None:
    steps = [{"name": "drop", "do": "drop_records", "at": 100.0, "bound": {"lost": 25, "lost_least": 25}}]
    assert drill_result.bounds(steps, [flow((101.0, 101.2, lost, 100.0))])[0]["holds"] is holds
    assert (bad(flow((101.0, 101.2, lost, 100.0)), steps=steps) == []) is holds


def test_a_twin_that_loses_nothing_has_failed() -> None:
    steps = [{"name": "undrained", "do": "configure", "at": 100.0, "bound": {"lost_least": 1}}]
    assert bad(flow(), steps=steps) == ["drill x, undrained: packets lost: at least 1, 0"]


def test_flows_that_sent_nothing_and_doubled_packets_are_findings() -> None:
    assert bad(flow(sent=0)) == ["drill x: flows without a packet: none, udp 43000 request"]
    assert bad(flow(duplicates=3)) == ["drill x: flows with duplicates: none, udp 43000 request: 3"]
    assert "drill x: flows without a packet: none, all" in bad()


def test_the_document() -> None:
    checks = [
        check("drill", "leaf0", "session", "Established", "Established", "look"),
        check("session", "drill x, look: leaf0", "session with spine1", "Established", "Established", "look"),
        check("session", "drill x, look: leaf1", "session with spine1", "Established", "Active", "look"),
    ]
    found = drill_result.document({"lab_name": "lab"}, RUN, STEPS, [flow((101.0, 101.045, 8, 45.0))], checks)
    assert (found["kind"], found["name"], found["holds"], found["seconds"]) == ("drill", "x", False, 20.0)
    assert found["started"] == found["steps"][0]["at"] == "1970-01-01T00:01:40.000000Z"
    assert [(one["what"], one["holds"]) for one in found["expectations"]] == [
        ("leaf0: session", True),
        ("drill x, look: leaf1: session with spine1", False),
        ("drill x, look: session", False),
    ]
    assert found["flows"][0]["outages"][0]["until"] == "1970-01-01T00:01:41.045000Z"
    assert found["bound"][0]["found"] == {"lost": 8, "longest_gap_ms": 45.0, "flow": "udp 43000 request"}


def test_the_document_is_what_the_schema_says() -> None:
    checks = [check("drill", "leaf0", "session", "Established", "Established", "look")]
    with_flows = drill_result.document({"lab_name": "lab"}, RUN, STEPS, [flow((101.0, 101.045, 8, 45.0), (None, 99.0, 1, None), uplink=None)], checks)
    jsonschema.Draft202012Validator(SCHEMA).validate(with_flows)
    jsonschema.Draft202012Validator(SCHEMA).validate(drill_result.document({"lab_name": "lab"}, RUN, STEPS, [], checks))
    del with_flows["flows"][0]["lost"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(with_flows)


def test_secrets_are_masked() -> None:
    false = check("configuration", "leaf0", "configuration protocols bgp neighbor 10.1.10.2 password topsecret1", "this line", "no such line", "look", ok=False)
    assert "topsecret1" not in json.dumps(drill_result.document({"lab_name": "lab"}, RUN, STEPS, [], [false]))


def test_a_drill_that_expected_nothing_does_not_hold() -> None:
    assert drill_result.document({"lab_name": "lab"}, RUN, STEPS, [], [])["holds"] is False
