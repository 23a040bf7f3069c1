# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A router against its intent and the path-vector model. Pure functions.

``outputs`` are the texts of the commands in ``LOOK``, in their order. ``announced`` has what the nodes announce (cluster_view), None
when the nodes do not count: then only what the fabric itself carries is expected and further routes are no finding. ``down`` has
ports (device, interface) that are down on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import ip_interface
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import kernel_routes
from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check, no_answer
from ansible_collections.leafspine.calico.plugins.module_utils.path_vector import Path, Table, tables
from ansible_collections.leafspine.calico.plugins.module_utils.session_checks import filter_checks, session_checks

Device = dict[str, Any]
Announced = Mapping[str, Iterable[str]]
Ports = Iterable[Iterable[str]]

LOOK = {
    "sessions": 'vtysh -c "show bgp summary json"',
    "neighbors": 'vtysh -c "show bgp neighbors json"',
    "bfd": 'vtysh -c "show bfd peers json"',
    "filters": 'vtysh -c "show ip prefix-list json"',
    "table": 'vtysh -c "show bgp ipv4 unicast json"',
    "routes": "ip -j -4 route show",
    "interfaces": "ip -j address show",
    "configuration": "show configuration commands",
}
# Kept as text: no JSON where the daemon does not run, several documents where several daemons answer.
TEXTS = ("bfd", "filters", "configuration")


def read(name: str, outputs: list[str]) -> tuple[dict[str, Any], list[Check]]:
    """The answers of a router by name (JSON parsed, those in ``TEXTS`` as text), and a finding when one cannot be read."""
    if len(outputs) != len(LOOK):
        return {}, [no_answer(name, f"ssh {name}", "; ".join(outputs) or "none")]
    answers: dict[str, Any] = {}
    for (what, command), text in zip(LOOK.items(), outputs, strict=True):
        try:
            answers[what] = text if what in TEXTS else json.loads(text)
        except ValueError:
            return {}, [no_answer(name, command, text)]
    return answers, []


def router_checks(
    router: Device, fabric: Device, outputs: list[str], announced: Announced | None = None, down: Ports = (), drift: Iterable[str] | None = None
) -> list[Check]:
    """Everything about one router that needs no other: sessions, kernel routes, interfaces, configuration.

    ``drift``: lines that would make the running configuration what is intended; None when nobody looked.
    """
    answers, problems = read(router["name"], outputs)
    if problems:
        return problems
    ports = down_ports(fabric, down)
    return [
        *session_checks(router, answers, ports, nodes=announced is not None),
        *filter_checks(router, answers["filters"]),
        *route_checks(router, fabric, answers["routes"], announced, ports),
        *interface_checks(router, answers["interfaces"], ports),
        *(drift_checks(router, drift) if drift is not None else []),
    ]


def down_ports(fabric: Device, down: Ports) -> set[tuple[str, str]]:
    """Both ends of every link of which one end is down."""
    ports = {(device, interface) for device, interface in down}  # pylint: disable=unnecessary-comprehension # pairs may be lists
    for link in fabric["links"]:
        ends = {(link[end]["device"], link[end]["interface"]) for end in "ab"}
        if ends & ports:
            ports |= ends
    return ports


# --- the kernel's table --------------------------------------------------------------------------------------------------


def route_checks(router: Device, fabric: Device, routes: list[Device], announced: Announced | None, down: set[tuple[str, str]]) -> list[Check]:
    """The kernel's routes: the model's exact next hops for every prefix, connected subnets, nothing else."""
    name = router["name"]
    expected = expected_routes(router, fabric, announced, down)
    management = {fabric["management"]["gateway"]}
    dark = {_subnet(one["address"]) for one in router["interfaces"] if (name, one["name"]) in down}

    def explained(prefix: str, entry: kernel_routes.Entry) -> bool:
        if prefix == "default":
            return kernel_routes.gateways(entry) == management
        return prefix in dark or (announced is None and entry.get("protocol") == "bgp")

    return kernel_routes.judge(name, expected, routes, explained)


def expected_routes(router: Device, fabric: Device, announced: Announced | None, down: set[tuple[str, str]]) -> dict[str, str]:
    """Descriptions of the routes a router's kernel must have, by destination."""
    name = router["name"]
    servers = [server["name"] for server in fabric["servers"]]
    # A fabric without its nodes: their sessions carry nothing yet.
    model = tables(fabric, announced or {}, down=[*down, *(servers if announced is None else [])])
    expected = {prefix: kernel_routes.via(route.next_hops) for prefix, route in model[name].items() if route.next_hops}
    expected |= {_subnet(one["address"]): f"dev {one['name']}" for one in router["interfaces"] if (name, one["name"]) not in down}
    return expected | {fabric["management"]["subnet"]: f"dev {router['management']['interface']}"}


def _subnet(address: str) -> str:
    return str(ip_interface(address).network)


# --- interfaces and configuration ----------------------------------------------------------------------------------------


def interface_checks(router: Device, links: list[Device], down: set[tuple[str, str]]) -> list[Check]:
    """Address, MTU and state of every intended interface, and IPv4 addresses on interfaces that have none by intent."""
    name = router["name"]
    management = {"name": router["management"]["interface"], "address": f"{router['management']['address']}/{router['management']['prefix_length']}"}
    found = {link["ifname"]: link for link in links}
    checks = []
    for wanted in [management, *router["interfaces"]]:
        link, look = found.get(wanted["name"]), f"show interfaces ethernet {wanted['name']}"
        if link is None:
            checks.append(check("interface", name, wanted["name"], "an interface", "none", "show interfaces"))
            continue
        checks.append(check("interface", name, f"{wanted['name']} address", [wanted["address"]], _addresses(link), look))
        if "mtu" in wanted:
            checks.append(check("interface", name, f"{wanted['name']} MTU", wanted["mtu"], link["mtu"], look))
        if (name, wanted["name"]) not in down:
            state = "up" if {"UP", "LOWER_UP"} <= set(link["flags"]) else "down"
            checks.append(check("interface", name, f"{wanted['name']} state", "up", state, look))
    intended = {management["name"], "lo", *(one["name"] for one in router["interfaces"])}
    strangers = [f"{other} {address}" for other, link in sorted(found.items()) if other not in intended for address in _addresses(link)]
    return [*checks, check("interface", name, "addresses on other interfaces", [], strangers, "show interfaces")]


def _addresses(link: Device) -> list[str]:
    return sorted(f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", []) if one.get("family", "inet") == "inet")


def drift_checks(router: Device, drift: Iterable[str]) -> list[Check]:
    """One finding for every line in which configuration and intent differ."""
    name, look, found = router["name"], "show configuration commands", []
    for entry in drift:
        action, _blank, path = entry.partition(" ")
        pair = ("no such line", "this line") if action == "delete" else ("this line", "no such line")
        found.append(check("configuration", name, f"configuration {path}", *pair, f"{look} | match {path.split()[-1]}", ok=False))
    return found or [check("configuration", name, "lines that differ from the intent", "none", "none", look)]


# --- all routers' BGP tables ---------------------------------------------------------------------------------------------


def bgp_table_checks(fabric: Device, outputs: Mapping[str, list[str]], announced: Announced, down: Ports = ()) -> list[Check]:
    """Every path of every router's BGP table against the model: next hop, AS path, whether traffic uses it.

    ``outputs``: of ``LOOK`` by router. Which of several equal paths won is taken from the routers: it decides what their neighbours
    hear, and any choice among equals is right.
    """
    seen, checks = {}, []
    for router in fabric["routers"]:
        answers, problems = read(router["name"], outputs.get(router["name"], []))
        checks += problems
        if not problems:
            seen[router["name"]] = answers["table"].get("routes", {})
    prefer = {(name, prefix): _hop(path) for name, table in seen.items() for prefix, paths in table.items() for path in paths if path.get("bestpath")}
    model = tables(fabric, announced, down=down_ports(fabric, down), prefer=prefer)
    for name, table in seen.items():
        checks += _table_checks(name, model[name], table)
    return checks


def lone_table_checks(router: Device, fabric: Device, outputs: list[str], announced: Announced | None, down: Ports = ()) -> list[Check]:
    """A router's BGP table as far as it can be judged without the other routers' choices among equal paths: what is there whatever they
    chose must be there, what is there for no choice must not. Tells a table that still changes; ``bgp_table_checks`` is exact."""
    answers, problems = read(router["name"], outputs)
    if problems or announced is None:
        return []
    variants = [_rows(model[router["name"]]) for model in _choices(fabric, announced, down_ports(fabric, down))]
    table = {prefix: {_found(path) for path in paths} for prefix, paths in answers["table"].get("routes", {}).items()}
    odd = []
    for prefix in sorted({*table, *(prefix for rows in variants for prefix in rows)}):
        rows = [one.get(prefix, set()) for one in variants]
        if not set.intersection(*rows) <= table.get(prefix, set()) <= set.union(*rows):
            odd.append(prefix)
    return [check("BGP path", router["name"], "prefixes whose paths are not the model's", [], odd, "show bgp ipv4")]


def _choices(fabric: Device, announced: Announced, down: set[tuple[str, str]]) -> list[dict[str, Table]]:
    """The model for the first, second, ... choice of every device among its equal paths."""
    plain = tables(fabric, announced, down=down)
    ties = {(name, prefix): sorted(route.next_hops) for name, table in plain.items() for prefix, route in table.items() if len(route.best) > 1}
    most = max(map(len, ties.values()), default=0)
    return [plain] + [tables(fabric, announced, down=down, prefer={tie: hops[number % len(hops)] for tie, hops in ties.items()}) for number in range(most)]


def _rows(table: Table) -> dict[str, set[str]]:
    return {prefix: {_wanted(path, path in route.best) for path in route.paths} for prefix, route in table.items()}


def _hop(path: Device) -> str:
    return str(path["nexthops"][0]["ip"])


def _table_checks(name: str, model: Table, table: Mapping[str, list[Device]]) -> list[Check]:
    checks = []
    for prefix in sorted({*model, *table}):
        route = model.get(prefix)
        expected = sorted(_wanted(path, path in route.best) for path in route.paths) if route else ["not in the table"]
        found = sorted(_found(path) for path in table.get(prefix, [])) or ["not in the table"]
        checks.append(check("BGP path", name, f"BGP paths to {prefix}", "; ".join(expected), "; ".join(found), f"show bgp ipv4 {prefix}"))
    return checks


def _wanted(path: Path, used: bool) -> str:
    return _path_text(path.next_hop, " ".join(map(str, path.as_path)), used)


def _found(path: Device) -> str:
    text = _path_text(_hop(path), path.get("path", ""), bool(path.get("bestpath") or path.get("multipath")))
    return text if path.get("valid") else f"{text} invalid"


def _path_text(hop: str, as_path: str, used: bool) -> str:
    return " ".join([f"{hop} [{as_path}]", *(["used"] if used else [])])
