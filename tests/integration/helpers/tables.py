"""BGP tables of a running lab in the reference lab's terms: rows of (prefix, next hop, AS path), a pod block named after its server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.leafspine.calico.tests.integration.helpers.cli import router_cli
from ansible_collections.leafspine.calico.tests.integration.helpers.lab import Lab

Table = set[tuple[str, str, str]]
RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[2] / "contract" / "data" / "bgp-tables.json").read_text())
HEALTHY: dict[str, Any] = RECORDED["cases"][0]


def recorded_owners() -> dict[str, str]:
    return {block: server for server, blocks in HEALTHY["announced"].items() for block in blocks}


def recorded(router: str) -> Table:
    """What the real lab's router chose among: its best path to each prefix, and those as good."""
    owners = recorded_owners()
    return {(owners.get(prefix, prefix), hop, path) for prefix, hop, path, flags in HEALTHY["tables"][router] if ">" in flags or "=" in flags}


def recorded_kernel() -> Table:
    owners = recorded_owners()
    return {(owners.get(prefix, prefix), hop, "") for prefix, hops in RECORDED["worker"].items() for hop in hops}


def owners(lab: Lab) -> dict[str, str]:
    """Server by pod block."""
    found = json.loads(lab.tool("kubectl", "get", "blockaffinities", "-o", "json").stdout)["items"]
    return {item["spec"]["cidr"]: item["spec"]["node"].removeprefix(lab.node("")) for item in found}


def _reference(lab: Lab, text: str, names: dict[str, str]) -> str:
    return names.get(text, text.replace(f"10.{lab.octet}.", "10.1."))


def live(lab: Lab, router: str) -> Table:
    shown = router_cli(lab, router, 'vtysh -c "show bgp ipv4 unicast json" | no-more')
    routes = json.JSONDecoder().raw_decode(shown[shown.index("{") :])[0]["routes"]
    names = owners(lab)
    return {
        (_reference(lab, prefix, names), _reference(lab, path["nexthops"][0]["ip"], names), path["path"])
        for prefix, paths in routes.items()
        for path in paths
        if path.get("bestpath") or path.get("multipath")
    }


def kernel(lab: Lab, server: str) -> Table:
    """Routes that BGP gave a node's kernel."""
    done = subprocess.run(["ip", "-n", lab.node(server), "-j", "-4", "route", "show", "proto", "bird"], capture_output=True, text=True, check=True)
    names = owners(lab)
    rows = [(route["dst"], route["gateway"]) for route in json.loads(done.stdout) if "gateway" in route]
    return {(_reference(lab, prefix, names), _reference(lab, hop, names), "") for prefix, hop in rows}
