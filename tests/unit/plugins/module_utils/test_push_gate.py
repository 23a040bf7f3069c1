"""The gate after a push: what was there must be back, what is configured on both ends must come up, what was taken away is not missed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.checks import lines
from ansible_collections.leafspine.calico.plugins.module_utils.push_gate import gate, peers

ROUTER = {
    "name": "leaf0",
    "neighbors": [{"address": "10.1.10.2", "device": "spine0"}, {"address": "10.1.12.2", "device": "spine1"}, {"address": "10.1.5.10", "device": "worker"}],
}


def summary(**states: tuple[str, int]) -> str:
    """FRR's JSON for peers given as ip_10_1_10_2=("Established", 6)."""
    found = {name.removeprefix("ip_").replace("_", "."): {"state": state, "pfxRcd": count, "remoteAs": 500} for name, (state, count) in states.items()}
    return json.dumps({"ipv4Unicast": {"as": 65005, "peers": found}})


UP = summary(ip_10_1_10_2=("Established", 6), ip_10_1_12_2=("Established", 6), ip_10_1_5_10=("Established", 1))
NO_BGP = "% BGP instance not found"


@pytest.mark.parametrize(
    ("before", "after", "ready", "pushed"),
    [
        pytest.param(UP, UP, [], [], id="all as before"),
        pytest.param(NO_BGP, summary(ip_10_1_10_2=("Active", 0)), [], [], id="the first router of all has nobody to talk to yet"),
        pytest.param(
            UP, summary(ip_10_1_10_2=("Established", 9), ip_10_1_12_2=("Established", 6), ip_10_1_5_10=("Established", 2)), [], [], id="more prefixes"
        ),
        pytest.param(
            summary(ip_10_9_9_9=("Established", 3)), summary(ip_10_1_10_2=("Idle", 0)), [], [], id="a neighbour that the push takes away is not missed"
        ),
        pytest.param(
            UP,
            summary(ip_10_1_10_2=("Established", 2), ip_10_1_12_2=("Established", 2), ip_10_1_5_10=("Established", 1)),
            [],
            ["set policy route-map LEAFSPINE-NODES rule 10 action permit"],
            id="fewer prefixes when the push changes what is accepted",
        ),
        pytest.param(summary(ip_10_1_10_2=("Active", 0)), summary(ip_10_1_10_2=("Active", 0)), [], [], id="what was down before may stay down"),
    ],
)
def test_good_health(before: str, after: str, ready: list[str], pushed: list[str]) -> None:
    assert lines(gate(ROUTER, pushed, before, after, ready)) == []


@pytest.mark.parametrize(
    ("before", "after", "ready", "missing"),
    [
        pytest.param(UP, NO_BGP, [], "expected Established, found no such neighbour", id="BGP is gone"),
        pytest.param(UP, UP.replace('"10.1.12.2": {"state": "Established"', '"10.1.12.2": {"state": "Active"'), [], "spine1", id="a session is not back"),
        pytest.param(UP, UP.replace('"pfxRcd": 1,', '"pfxRcd": 0,'), [], "prefixes of 10.1.5.10: expected 1 or more, found 0", id="prefixes are not back"),
        pytest.param(NO_BGP, summary(ip_10_1_10_2=("Active", 0)), ["spine0"], "spine0", id="a new session with a router that is configured already"),
        pytest.param(
            summary(ip_10_9_9_9=("Established", 3)),
            summary(ip_10_9_9_9=("Active", 0)),
            [],
            "a neighbour of somebody else (10.9.9.9)",
            id="somebody else's session",
        ),
        pytest.param(UP, UP.replace('"pfxRcd": 1,', '"pfxRcd": 0,'), [], "expected 1 or more", id="not one prefix left is too few whatever the policy"),
    ],
)
def test_bad_health_is_named(before: str, after: str, ready: list[str], missing: str) -> None:
    found = lines(gate(ROUTER, ["set policy route-map X"] if "policy" in missing else [], before, after, ready))
    assert found
    assert any(missing in line for line in found), found


def test_every_session_that_was_up_is_judged() -> None:
    """A gate that looked at nothing would pass everything."""
    judged = gate(ROUTER, [], UP, UP)
    assert [one["what"] for one in judged if one["subject"] == "session" and "session with" in one["what"]] == [
        "session with spine0 (10.1.10.2)",
        "session with spine1 (10.1.12.2)",
        "session with worker (10.1.5.10)",
    ]


@pytest.mark.parametrize("text", ["", "no", "[]", "{}", '{"ipv4Unicast": {"peers": []}}'])
def test_an_answer_that_is_no_summary_has_no_peers(text: str) -> None:
    nothing: dict[str, Any] = {}
    assert peers(text) == nothing
