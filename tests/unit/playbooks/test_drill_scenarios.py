"""The scenarios as data: every step can be done, every drill expects something, and what measures flows has a bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TASKS = ROOT / "playbooks" / "tasks" / "drill"
SCENARIOS: dict[str, Any] = yaml.safe_load((ROOT / "playbooks" / "drills" / "scenarios.yml").read_text(encoding="utf-8"))["drill_scenarios"]
KEYS = {"title", "needs", "traffic", "steps", "undo"}
BOUNDS = {"gap_ms", "gap_least_ms", "lost", "lost_least"}
# Ways into the lab that a step takes, and an engine may not have.
WAYS = {"node": "nodes", "drop_records": "nodes", "dropped_records": "nodes", "device": "routers", "restart": "routers", "repair": "routers"}
NAMED = {
    *("uplink", "services", "detector", "bgp-reset", "wrong-as", "wrong-password", "drain", "undrained", "spine-dead", "bgpd-killed", "leaf-restarted"),
    *("node-links", "silent", "silent-plain", "bird-killed", "bird-killed-plain", "excluded", "endpoints", "pod-deleted", "asymmetric"),
}


def test_the_drills_that_there_are() -> None:
    assert set(SCENARIOS) == NAMED
    documented = (ROOT / "docs" / "drills.md").read_text(encoding="utf-8")
    assert [name for name in SCENARIOS if f"| `{name}` |" not in documented] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_can_be_run_and_can_fail(name: str) -> None:
    scenario = SCENARIOS[name]
    steps = [*scenario["steps"], *scenario.get("undo", [])]
    assert set(scenario) <= KEYS
    assert [step["do"] for step in steps if not (TASKS / f"{step['do']}.yml").exists()] == []
    assert {WAYS[step["do"]] for step in steps if step["do"] in WAYS} == set(scenario.get("needs", []))
    # YAML takes words such as "on" for something else.
    assert all(isinstance(key, str) for step in steps for key in step)
    assert any(step["do"] in ("expect", "picture", "dropped_records") for step in scenario["steps"])
    bounds = [step["bound"] for step in steps if "bound" in step]
    assert bool(bounds) == scenario.get("traffic", False)
    assert {key for bound in bounds for key in bound} <= BOUNDS
    assert all("bound" not in step for step in scenario["steps"] if step["do"] == "expect")


def test_what_reaches_below_a_router_or_into_the_cluster_is_undone() -> None:
    """Configurations and announcements go back by themselves; a router that starts anew and a pod that is deleted need nothing."""
    left = {"device", "drop_records", "local_service", "label_node"}
    assert [name for name, scenario in SCENARIOS.items() if not scenario.get("undo") and {step["do"] for step in scenario["steps"]} & left] == []
