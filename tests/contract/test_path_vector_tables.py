"""The path-vector model against the tables that the real lab showed (FRR 8.4.4 routers, BIRD nodes)."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.leafspine.calico.plugins.module_utils import intent as intent_module
from ansible_collections.leafspine.calico.plugins.module_utils.path_vector import Route, Table, tables

HERE = Path(__file__).parent
DATA: dict[str, Any] = json.loads((HERE / "data" / "bgp-tables.json").read_text())
CASES: dict[str, dict[str, Any]] = {case["case"]: case for case in DATA["cases"]}
Row = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def intent() -> dict[str, Any]:
    found, problems = intent_module.load((HERE.parents[1] / "inventories" / "embedded" / "fabric.yml").read_text())
    assert found is not None, problems
    return found


def rows(table: Table) -> set[Row]:
    """A table as 'show ip bgp' prints it."""
    return {row for route in table.values() for row in route_rows(route)}


def route_rows(route: Route) -> set[Row]:
    found = set()
    for path in route.paths:
        flags = ">" if path == route.selected else "=" if path in route.best else ""
        found.add((route.prefix, path.next_hop, " ".join(map(str, path.as_path)), flags + ("i" if path.internal else "")))
    return found


def observed_choices(case: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(device, prefix): hop for device, table in case["tables"].items() for prefix, hop, _path, flags in table if ">" in flags}


def with_choices_of_the_others(intent: dict[str, Any], case: dict[str, Any]) -> list[dict[str, Table]]:
    """The model's tables for every choice that devices whose tables were not recorded can have made."""
    prefer = observed_choices(case)
    plain = tables(intent, case["announced"], prefer=prefer)
    ties = {
        (device, prefix): sorted(route.next_hops)
        for device, table in plain.items()
        for prefix, route in table.items()
        if device not in case["tables"] and len(route.best) > 1
    }
    return [tables(intent, case["announced"], prefer=prefer | dict(zip(ties, chosen, strict=True))) for chosen in product(*ties.values())]


@pytest.mark.parametrize("name", CASES)
def test_tables_are_equal_line_by_line(intent: dict[str, Any], name: str) -> None:
    case = CASES[name]
    wanted = {device: {tuple(row) for row in table} for device, table in case["tables"].items()}
    found = [{device: rows(result[device]) for device in wanted} for result in with_choices_of_the_others(intent, case)]
    assert wanted in found, {device: wanted[device] ^ found[0][device] for device in wanted}


@pytest.mark.parametrize("name", CASES)
def test_next_hop_sets_need_no_observed_choice(intent: dict[str, Any], name: str) -> None:
    case = CASES[name]
    result = tables(intent, case["announced"])
    for device, table in case["tables"].items():
        wanted: dict[str, set[str]] = {}
        for prefix, hop, _path, flags in table:
            if hop != "0.0.0.0" and (">" in flags or "=" in flags):
                wanted.setdefault(prefix, set()).add(hop)
        assert {prefix: set(route.next_hops) for prefix, route in result[device].items() if route.next_hops} == wanted
        for prefix, hop, path, flags in table:
            if ">" in flags:
                assert (hop, path) in {(one.next_hop, " ".join(map(str, one.as_path))) for one in result[device][prefix].best}


def received(result: dict[str, Table], device: str, peers: dict[str, int]) -> dict[str, int]:
    counts = Counter(path.device for route in result[device].values() for path in route.paths)
    return {peer: counts[peer] for peer in peers}


@pytest.mark.parametrize(("name", "down"), [("healthy", []), ("leaf0 eth1 down", [("leaf0", "eth1")])])
def test_prefixes_received(intent: dict[str, Any], name: str, down: list[tuple[str, str]]) -> None:
    result = tables(intent, CASES["healthy"]["announced"], down=down)
    for device, peers in DATA["received"][name].items():
        assert received(result, device, peers) == peers


@pytest.mark.parametrize("port", [("leaf0", "eth1"), ("spine0", "eth1")], ids=" ".join)
def test_an_uplink_that_is_down(intent: dict[str, Any], port: tuple[str, str]) -> None:
    result = tables(intent, CASES["healthy"]["announced"], down=[port])
    for device, wanted in DATA["leaf0 eth1 down"].items():
        assert {prefix: sorted(route.next_hops) for prefix, route in result[device].items() if route.next_hops} == wanted
    valley = result["spine0"]["10.1.5.0/24"]
    assert [(path.as_path, path.next_hop) for path in valley.paths] == [((65008, 800, 65005), "10.1.34.1")]


def test_a_node(intent: dict[str, Any]) -> None:
    result = tables(intent, CASES["healthy"]["announced"])
    found = {prefix: sorted(route.next_hops) for prefix, route in result["worker"].items() if route.next_hops}
    connected = found.pop("10.1.5.0/24")  # the leaf announces it; the node's kernel has it from its own interface
    assert connected == ["10.1.5.1"]
    assert found == DATA["worker"]
