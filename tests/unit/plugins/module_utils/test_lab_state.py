"""The state of a lab on a recorded healthy one, and with single things broken."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import lab_graph, lab_state, lab_state_text
from observed_lab import healthy, observed

SCHEMA = json.loads((Path(__file__).parents[4] / "playbooks" / "files" / "result.schema.json").read_text())
State = dict[str, Any]


def state(change: Callable[[State], object] | None = None, **more: Any) -> State:
    """The state of the recorded lab. ``change`` gets the lab; its keys are observed_lab's."""
    lab = healthy()
    if change:
        change(lab)
    outputs = {name: seen["stdout"] for name, seen in observed(lab)["routers"].items()}
    found = lab_state.state(lab["fabric"], outputs, lab["cluster"].get("objects"), lab["drift"], **more)
    jsonschema.validate(found, {**SCHEMA, "oneOf": [{"$ref": "#/$defs/state"}], "required": [], "properties": {}})
    return found


def troubles(change: Callable[[State], object] | None = None, **more: Any) -> list[str]:
    return [f"{one['where']}: {one['what']}" for one in state(change, **more)["troubles"]]


def test_a_healthy_lab_has_no_trouble() -> None:
    found = state()
    assert (found["troubles"], found["healthy"]) == ([], True)
    assert lab_state_text.summary(found).startswith("4 of 4 routers, 12 of 12 sessions, 4 of 4 nodes, ")
    assert {link["state"] for link in found["links"]} == {"up"}
    first = found["sessions"][0]
    assert (first["router"], first["peer"], first["type"], first["asn"], first["state"]) == ("spine0", "leaf0", "ebgp", 65005, "Established")
    assert first["uptime"] > 0
    assert first["received"] > 0


def test_prefixes_say_what_they_are_for_and_where_they_lead() -> None:
    found = {one["prefix"]: one for one in state()["prefixes"]}
    assert found["10.133.5.0/24"]["origin"] == "rack rack0"
    assert found["10.133.5.0/24"]["routers"]["leaf1"] == ["spine0", "spine1"]
    assert found["10.133.5.0/24"]["routers"]["leaf0"] == ["own"]
    assert {one["origin"] for one in found.values() if one["prefix"].endswith("/26")} == {
        f"pods of {name}" for name in ("control-plane", "worker", "worker2", "worker3")
    }
    assert [one for one in found.values() if one["origin"] == "unexplained"] == []


def peer(lab: State, router: str, number: int = 0) -> State:
    entry: State = list(lab["tables"][router]["sessions"]["ipv4Unicast"]["peers"].values())[number]
    return entry


def port(lab: State, router: str, name: str) -> State:
    entry: State = next(one for one in lab["tables"][router]["interfaces"] if one["ifname"] == name)
    return entry


def new_peer(lab: State) -> None:
    lab["tables"]["leaf0"]["sessions"]["ipv4Unicast"]["peers"]["10.133.9.9"] = {"state": "Active", "remoteAs": 64999}


def sick_pod(lab: State) -> None:
    pod = next(one for one in lab["cluster"]["objects"]["pods"] if one["metadata"]["namespace"] == "default")
    pod["status"]["conditions"] = []
    pod["status"]["containerStatuses"] = [
        {"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"reason": "Error", "exitCode": 7}}}
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda lab: lab["tables"].pop("leaf1"), "leaf1: the router does not answer", id="router gone"),
        pytest.param(lambda lab: lab["tables"]["leaf1"].update(sessions="bgpd is not running"), "leaf1: answers, but not readably", id="daemon gone"),
        pytest.param(lambda lab: peer(lab, "leaf0").update(state="Active"), "leaf0: session with", id="session down"),
        pytest.param(new_peer, "leaf0: neighbour 10.133.9.9 that nobody intends", id="foreign neighbour"),
        pytest.param(lambda lab: port(lab, "leaf0", "eth1").update(flags=["UP"]), "leaf0 eth1: the link to spine0 eth1 is down", id="link down"),
        pytest.param(lambda lab: lab["cluster"]["objects"]["nodes"][0]["status"].update(conditions=[]), "the node is not ready", id="node not ready"),
        pytest.param(sick_pod, "not ready: CrashLoopBackOff, ended before with exit code 7", id="pod crashes"),
        pytest.param(lambda lab: lab["cluster"].pop("objects"), "Kubernetes API: it does not answer", id="no API"),
        pytest.param(lambda lab: lab["drift"].update(leaf0=["set protocols bgp x"]), "leaf0: 1 line differ from the intent: set protocols bgp x", id="drift"),
        pytest.param(
            lambda lab: lab["tables"]["leaf0"]["table"]["routes"].update(
                {"192.0.2.0/24": [{"valid": True, "bestpath": True, "nexthops": [{"ip": "10.133.5.10"}]}]}
            ),
            "BGP: 192.0.2.0/24 is in a table and nothing explains it",
            id="foreign route",
        ),
    ],
)
def test_a_trouble_is_named(change: Callable[[State], object], words: str) -> None:
    found = troubles(change)
    assert len(found) >= 1
    assert any(words in one for one in found), found
    text = lab_state_text.text(state(change))
    assert text.index("troubles") < text.index("routers", text.index("\n"))


def test_crashes_are_told_and_a_process_that_was_given_up_is_a_trouble() -> None:
    crash = {"time": "2026-11-25T10:00:00Z", "process": "leaf0-bgpd", "reason": "killed by SIGSEGV", "restarts": 1, "gave_up": False}
    found = state(crashes=[crash])
    assert found["healthy"]
    assert "leaf0-bgpd  killed by SIGSEGV  started again" in lab_state_text.text(found)
    assert troubles(crashes=[{**crash, "gave_up": True}]) == ["leaf0-bgpd: killed by SIGSEGV, and it was not started again"]


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (0, "0 s"), (59.9, "59 s"), (61, "1 min"), (3600, "1 h 0 min"), (90061, "1 d 1 h")])
def test_durations(seconds: float | None, text: str) -> None:
    assert lab_state_text.duration(seconds) == text


# --- as a picture --------------------------------------------------------------------------------------------------------


def link_down(lab: State) -> None:
    port(lab, "leaf0", "eth1").update(flags=["UP"])
    peers = lab["tables"]["leaf0"]["sessions"]["ipv4Unicast"]["peers"]
    peers["10.133.10.2"]["state"] = "Active"


def test_the_picture_has_every_device_link_and_state() -> None:
    fabric = healthy()["fabric"]
    plain, broken = lab_graph.dot(fabric), lab_graph.dot(fabric, state(link_down))
    for name in [*(one["name"] for one in fabric["routers"]), *(one["name"] for one in fabric["servers"]), *(one["name"] for one in fabric["bridges"])]:
        assert f'  "{name}" [label=' in plain
    assert plain.count(" -- ") == len(fabric["links"]) == 10
    assert plain.count('class="unknown quiet"') == 10
    assert broken.count('class="up established"') == 7
    assert [line for line in broken.splitlines() if 'class="down broken"' in line and "leaf0 eth1 - spine0 eth1" in line]
    assert 'label=" eBGP Active "' in broken


def test_it_is_drawn() -> None:
    drawn = lab_graph.svg(lab_graph.dot(healthy()["fabric"], state(link_down)))
    assert drawn.startswith('<svg class="fabric" role="img"')
    assert drawn.rstrip().endswith("</svg>")
    texts = {" ".join(html.unescape(text).split()) for text in re.findall(r"<text[^>]*>([^<]*)</text>", drawn)}
    assert {"spine0", "AS 65005", "10.133.5.11", "rack1 AS 65008", "eBGP Active", "eBGP", "iBGP"} <= texts
    assert 'fill="white"' not in drawn
    assert "edge down broken" in drawn


def test_what_cannot_be_drawn_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="Graphviz"):
        lab_graph.svg("graph {{")


def test_a_missing_graphviz_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_graph, "HAS_GRAPHVIZ", False)
    with pytest.raises(RuntimeError, match="pygraphviz is needed"):
        lab_graph.svg("graph {}")


def test_mermaid_has_every_device_and_colours_links_by_their_state() -> None:
    fabric = healthy()["fabric"]
    plain, broken = lab_graph.mermaid(fabric), lab_graph.mermaid(fabric, state(link_down))
    assert plain.startswith("flowchart TB\n")
    assert plain.count(" ---") == 10
    assert plain.count("subgraph") == plain.count("\n  end") == 2
    assert "linkStyle" not in plain
    assert "linkStyle 0 stroke:#c62828" in broken
    assert "linkStyle 1,2,3,4,5,6,7,8,9 stroke:#1a7f4b" in broken
