# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that was observed of a lab, judged at once. Pure functions.

``observed`` has what was looked at, and only that is judged: ``objects`` (lists of the API) with ``view`` (cluster_view), ``nodes``
and ``traffic`` (answers of the module ``probes``), ``routers`` ({router: outputs of router_look}), ``drift`` ({router: lines}),
``router_probes`` ({router: outputs of router_commands}) and their ``part``, ``conntrack`` (answers), ``down`` (ports that are down on
purpose).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import cluster_checks, flows, outside, pod_traffic, router_checks
from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, no_answer

Device = dict[str, Any]
Observed = Mapping[str, Any]


def node_look(fabric: Device) -> list[Device]:
    """What to run on every node, for the module ``probes``."""
    return [
        {"name": f"{server['name']} {what}", "node": server["node"], "command": command, "timeout": 10}
        for server in fabric["servers"]
        for what, command in cluster_checks.NODE_LOOK.items()
    ]


def lab_checks(observed: Observed, fabric: Device, step: str = "") -> list[Check]:
    """Every check that follows from what was observed. ``step``: what had been done to the lab, said in front of each place."""
    checks = _checks(observed, fabric)
    return [{**one, "where": f"{step}: {one['where']}"} for one in checks] if step else checks


def _checks(observed: Observed, fabric: Device) -> list[Check]:
    checks: list[Check] = []
    view, down = observed.get("view"), [tuple(port) for port in observed.get("down") or []]
    if view is not None and "objects" in observed:
        checks += cluster_checks.node_object_checks(fabric["servers"], observed["objects"]["nodes"])
        checks += cluster_checks.calico_checks(fabric, observed["objects"])
        checks += cluster_checks.app_checks(fabric, view)
    announced = view["announced"] if view is not None else None
    for router in fabric["routers"]:
        outputs = observed.get("routers", {}).get(router["name"])
        if outputs is not None:
            drift = observed.get("drift", {}).get(router["name"], [])
            checks += router_checks.router_checks(router, fabric, outputs, announced, down, drift)
    if announced is not None and set(observed.get("routers", {})) == {router["name"] for router in fabric["routers"]}:
        checks += router_checks.bgp_table_checks(fabric, observed["routers"], announced, down)
    if view is not None:
        checks += _node_checks(observed, fabric, view, down)
        checks += _traffic_checks(observed, fabric, view, down)
    return checks


def _node_checks(observed: Observed, fabric: Device, view: Device, down: list[tuple[str, ...]]) -> list[Check]:
    answers = observed.get("nodes")
    if not answers:
        return []
    checks = []
    for server in fabric["servers"]:
        outputs = {what: answers.get(f"{server['name']} {what}", {}) for what in cluster_checks.NODE_LOOK}
        checks += cluster_checks.node_kernel_checks(server, fabric, view, outputs, [(port[0], port[1]) for port in down])
    return checks


def _traffic_checks(observed: Observed, fabric: Device, view: Device, down: list[tuple[str, ...]]) -> list[Check]:
    checks = []
    if observed.get("traffic"):
        checks += pod_traffic.pod_checks(fabric, view, observed["traffic"], node_addresses(fabric, observed.get("nodes") or {}))
    part = observed.get("part") or "all"
    texts = router_texts(observed.get("router_probes") or {}, fabric, view, part)
    for router in fabric["routers"]:
        if router["name"] in texts and not texts[router["name"]]:
            checks.append(no_answer(router["name"], f"ssh {router['name']}", observed["router_probes"][router["name"]]))
        elif router["name"] in texts:
            checks += outside.router_probe_checks(router, fabric, view, texts[router["name"]], part)
    ends = flows.pair(fabric, view)
    if part != "services" and ends and {ends.client["name"], ends.server["name"]} <= {name for name, answers in texts.items() if answers}:
        dark = {interface for device, interface in router_checks.down_ports(fabric, down) if device == ends.client["name"]}
        checks += flows.flow_checks(fabric, view, texts, dark)
    if part != "flows" and view["service"] and outside.is_announced(view) and texts:
        checks += outside.endpoint_coverage(view, [answers.get("service", "") for answers in texts.values()], "curl of the ClusterIP on the routers")
    if observed.get("conntrack"):
        checks += outside.conntrack_checks(fabric, view, observed["conntrack"])
    return checks


def router_texts(outputs: Mapping[str, list[str]], fabric: Device, view: Device, part: str = "all") -> dict[str, dict[str, str]]:
    """Outputs of ``router_commands`` by router and name; {} for a router that answered another number of times than it was asked."""
    found: dict[str, dict[str, str]] = {}
    for router in fabric["routers"]:
        if router["name"] in outputs:
            names = list(outside.router_probes(router, fabric, view, part))
            answers = outputs[router["name"]]
            found[router["name"]] = dict(zip(names, answers, strict=True)) if len(names) == len(answers) else {}
    return found


def node_addresses(fabric: Device, answers: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """All addresses of each server's node, as far as they are known."""
    found: dict[str, set[str]] = {}
    for server in fabric["servers"]:
        try:
            links = json.loads((answers.get(f"{server['name']} interfaces") or {}).get("stdout") or "[]")
        except ValueError:
            continue
        if links:
            found[server["name"]] = {address["local"] for link in links for address in link.get("addr_info", [])}
    return found
