# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that was observed of a lab, judged at once. Pure functions.

``observed`` has what was looked at, and only that is judged: ``look`` (of cluster_look) and ``checks`` (whether its checks count),
``traffic`` (answers of the module ``probes``), ``routers`` ({router: result of router_look}), ``drift`` ({router: lines}),
``router_probes`` ({router: result of router_commands}) and their ``part``, ``conntrack`` (answers), ``down`` (ports that are down on
purpose).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import cluster_checks, cluster_view, flows, outside, pod_traffic, router_checks
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
    seen = {name: outputs(result) for name, result in (observed.get("routers") or {}).items()}
    look, down = observed.get("look"), [tuple(port) for port in observed.get("down") or []]
    view = look["view"] if look else None
    checks: list[Check] = list(look["checks"]) if look and observed.get("checks") else []
    announced = view["announced"] if view is not None else None
    drift = observed.get("drift")
    for router in fabric["routers"]:
        lines = drift.get(router["name"]) if drift is not None else None
        if router["name"] in seen:
            checks += router_checks.router_checks(router, fabric, seen[router["name"]], announced, down, lines)
        elif lines is not None:
            checks += router_checks.drift_checks(router, lines)
    if announced is not None and set(seen) == {router["name"] for router in fabric["routers"]}:
        checks += router_checks.bgp_table_checks(fabric, seen, announced, down)
    return checks + (_traffic_checks(observed, fabric, view, look["addresses"], down) if look and view is not None else [])


def outputs(result: Mapping[str, Any]) -> list[str]:
    """What ``vyos_command`` returned, or its message as the only output when it returned nothing."""
    return list(result.get("stdout") or [str(result.get("msg") or "no answer")])


def cluster_look(seen: Observed, fabric: Device, namespace: str = "default", app: str = "app", service: str | None = None, down: Any = ()) -> Device:
    """What the module ``probes`` saw of the cluster (``objects`` for cluster_view.PATHS, ``answers`` to ``node_look``), digested.

    {view: of cluster_view, addresses: {server: [address]} of the nodes, checks: of everything that was seen}.
    """
    if not seen.get("objects"):
        problem = no_answer("Kubernetes API", "kubectl get nodes", seen.get("msg", "none"))
        empty: dict[str, list[Device]] = {name: [] for name in cluster_view.PATHS}
        return {"view": cluster_view.view(fabric, empty, namespace, app, service), "addresses": {}, "checks": [problem]}
    view = cluster_view.view(fabric, seen["objects"], namespace, app, service)
    checks = cluster_checks.node_object_checks(fabric["servers"], seen["objects"]["nodes"])
    checks += cluster_checks.calico_checks(fabric, seen["objects"])
    checks += cluster_checks.app_checks(fabric, view)
    answers = seen.get("answers") or {}
    for server in fabric["servers"] if answers else []:
        kernel = {what: answers.get(f"{server['name']} {what}", {}) for what in cluster_checks.NODE_LOOK}
        ports = [(device, port) for device, port in down]  # pylint: disable=unnecessary-comprehension # pairs may be lists
        checks += cluster_checks.node_kernel_checks(server, fabric, view, kernel, ports)
    return {"view": view, "addresses": node_addresses(fabric, answers), "checks": checks}


def _traffic_checks(observed: Observed, fabric: Device, view: Device, addresses: Mapping[str, list[str]], down: list[tuple[str, ...]]) -> list[Check]:
    checks = []
    if observed.get("traffic"):
        checks += pod_traffic.pod_checks(fabric, view, observed["traffic"], {server: set(known) for server, known in addresses.items()})
    part = observed.get("part") or "all"
    answered = {name: outputs(result) for name, result in (observed.get("router_probes") or {}).items()}
    texts = router_texts(answered, fabric, view, part)
    for router in fabric["routers"]:
        if router["name"] in texts and not texts[router["name"]]:
            checks.append(no_answer(router["name"], f"ssh {router['name']}", "; ".join(answered[router["name"]])))
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


def router_texts(answered: Mapping[str, list[str]], fabric: Device, view: Device, part: str = "all") -> dict[str, dict[str, str]]:
    """Outputs of ``router_commands`` by router and name; {} for a router that answered another number of times than it was asked."""
    found: dict[str, dict[str, str]] = {}
    for router in fabric["routers"]:
        if router["name"] in answered:
            names = list(outside.router_probes(router, fabric, view, part))
            answers = answered[router["name"]]
            found[router["name"]] = dict(zip(names, answers, strict=True)) if len(names) == len(answers) else {}
    return found


def node_addresses(fabric: Device, answers: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """All addresses of each server's node, as far as they are known."""
    found: dict[str, list[str]] = {}
    for server in fabric["servers"]:
        try:
            links = json.loads((answers.get(f"{server['name']} interfaces") or {}).get("stdout") or "[]")
        except ValueError:
            continue
        if links:
            found[server["name"]] = sorted(address["local"] for link in links for address in link.get("addr_info", []))
    return found
