"""The gate after a push: what was there must be back, what is configured on both ends must come up, what was taken away is not missed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils.checks import lines
from ansible_collections.leafspine.calico.plugins.module_utils.push_gate import gate, peers, taken_away

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


FEWER = UP.replace('"pfxRcd": 6', '"pfxRcd": 4')
SPINE = summary(ip_10_1_10_1=("Established", 6), ip_10_1_40_1=("Established", 1), ip_10_1_41_1=("Idle", 0))


@pytest.mark.parametrize(
    ("lines_of_spine", "taken"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param(["set protocols bgp address-family ipv4-unicast network 10.1.40.0/24", "delete interfaces ethernet eth3"], 0, id="nothing of BGP"),
        pytest.param(["delete protocols bgp address-family ipv4-unicast network 10.1.40.0/24"], 1, id="a network"),
        pytest.param(["delete protocols bgp neighbor 10.1.40.1", "delete protocols bgp neighbor 10.1.41.1"], 1, id="what a removed neighbour had sent"),
        pytest.param(["delete protocols bgp neighbor 10.1.10.1 timers"], 0, id="a line of a neighbour"),
        pytest.param(["delete protocols bgp neighbor 10.1.40.1", "delete protocols bgp address-family ipv4-unicast network 10.1.40.0/24"], 2, id="both"),
    ],
)
def test_what_the_run_takes_away_is_not_missed_and_no_more(lines_of_spine: list[str], taken: int) -> None:
    pushes = [([], UP), (lines_of_spine, SPINE), (lines_of_spine, NO_BGP)]
    assert taken_away(pushes) == taken
    # Each spine's session has two prefixes less than before.
    found = lines(gate(ROUTER, ["set system host-name leaf0"], UP, FEWER, [], pushes))
    assert len(found) == (0 if taken == 2 else 2)


@pytest.mark.parametrize("text", ["", "no", "[]", "{}", '{"ipv4Unicast": {"peers": []}}'])
def test_an_answer_that_is_no_summary_has_no_peers(text: str) -> None:
    nothing: dict[str, Any] = {}
    assert peers(text) == nothing
