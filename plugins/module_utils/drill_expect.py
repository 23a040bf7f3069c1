# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a drill expects of single routers beyond the path-vector model. Pure functions.

A step may have ``sessions`` ({router, with, established, within, anew}), ``avoids`` ({router, spine}), ``hops`` ({router, contains}),
``unchanged`` and ``changed`` (routers). ``looks`` are results of ``router_look`` by router; of these the
routers that the step names are judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils import flows, kernel_routes, router_checks
from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check
from ansible_collections.leafspine.calico.plugins.module_utils.drill_probe import DATA, RECORD
from ansible_collections.leafspine.calico.plugins.module_utils.lab_checks import outputs, router_texts

Device = dict[str, Any]
Looks = Mapping[str, Mapping[str, Any]]

PACKET = 28 + RECORD.size  # bytes of a record with IP's and UDP's headers
OWN = ("sessions", "avoids", "hops", "unchanged", "changed")
ROUTE_MAP = "leafspine-drill"
# A network that is for documentation (RFC 5737): above all of a lab's addresses, so a next hop in it is sorted behind the others.
ASIDE = ("203.0.113.1/30", "203.0.113.2/30")


def has_own(step: Device) -> bool:
    """Whether a step expects something of single routers."""
    return any(step.get(key) for key in OWN)


def step_checks(step: Device, fabric: Device, view: Mapping[str, Any], steps: list[Device], looks: Looks, marks: Looks) -> list[Check]:
    """Judgement of a step's own expectations. ``steps``: [{name, at, do}] so far; ``marks``: earlier looks, to compare with."""
    routers = {router["name"]: router for router in fabric["routers"]}
    checks: list[Check] = []
    seen: dict[str, dict[str, Any]] = {}
    asked = {wish["router"] for key in ("sessions", "avoids", "hops") for wish in step.get(key) or []}
    asked |= {name for key in ("unchanged", "changed") for name in step.get(key) or []}
    for name, result in looks.items():
        if name not in asked:
            continue
        answers, problems = router_checks.read(name, outputs(result))
        checks += problems
        if not problems:
            seen[name] = answers
    begun = max((one["at"] for one in steps if one["do"] not in ("expect", "hold", "mark", "picture")), default=0.0)
    before = {name: answers for name, result in marks.items() for answers in [router_checks.read(name, outputs(result))[0]] if answers}
    for wish in step.get("sessions") or []:
        if wish["router"] in seen:
            checks += _session(routers[wish["router"]], wish, seen[wish["router"]], begun, before.get(wish["router"]))
    for wish in step.get("avoids") or []:
        if wish["router"] in seen:
            checks += _avoids(routers[wish["router"]], wish["spine"], fabric, view, seen[wish["router"]])
    for wish in step.get("hops") or []:
        if wish["router"] in seen:
            found = sorted({hop for entry in seen[wish["router"]]["routes"] for hop in kernel_routes.gateways(entry)})
            what = f"a next hop {wish['contains']}"
            checks.append(_drill(wish["router"], what, wish["contains"], found, kernel_routes.LOOK, ok=wish["contains"] in found))
    for key in ("unchanged", "changed"):
        for name in step.get(key) or []:
            if name in seen:
                checks += _compared(name, key == "unchanged", before.get(name), seen[name])
    return checks


def _drill(where: str, what: str, expected: object, found: object, look: str, ok: bool | None = None) -> Check:
    return check("drill", where, what, expected, found, look, ok=ok)


def _peer(answers: Mapping[str, Any], address: str) -> Device:
    return dict(answers["sessions"].get("ipv4Unicast", {}).get("peers", {}).get(address) or {})


def _session(router: Device, wish: Device, answers: Mapping[str, Any], begun: float, before: Mapping[str, Any] | None) -> list[Check]:
    """A session's state; how soon after the last thing that was done it came up; whether it is a new one; whether it never was up."""
    neighbor = next(one for one in router["neighbors"] if one["device"] == wish["with"])
    peer, look = _peer(answers, neighbor["address"]), f"show bgp neighbors {neighbor['address']}"
    state, where, what = peer.get("state", "no such neighbour"), router["name"], f"session with {wish['with']} ({neighbor['address']})"
    if not wish["established"]:
        checks = [_drill(where, what, "not Established", state, look, ok=bool(peer) and state != "Established")]
        if before:
            times = _peer(before, neighbor["address"]).get("connectionsEstablished")
            checks.append(_drill(where, f"{what}: times it was Established since the look before", times, peer.get("connectionsEstablished"), look))
        return checks
    checks = [_drill(where, what, "Established", state, look)]
    epoch = peer.get("peerUptimeEstablishedEpoch")
    if state == "Established" and wish.get("anew"):
        checks.append(_drill(where, f"{what}: begun after what was done", "yes", "yes" if epoch and epoch >= int(begun) else "no", look))
    if state == "Established" and wish.get("within") and epoch:
        took = max(0, epoch - int(begun))
        checks.append(_drill(where, f"{what}: seconds until it was back", f"at most {wish['within']}", took, look, ok=took <= wish["within"]))
    return checks


def _avoids(router: Device, spine: str, fabric: Device, view: Mapping[str, Any], answers: Mapping[str, Any]) -> list[Check]:
    """No route to another rack's pods goes over a spine, and each goes over all the others."""
    others = sorted(one["address"] for one in router["neighbors"] if not one["route_reflector_client"] and one["device"] != spine)
    table = kernel_routes.by_destination(answers["routes"])
    checks = []
    for server in fabric["servers"]:
        for prefix in view["blocks"].get(server["name"], []) if server["rack"] != router["rack"] else []:
            found = " and ".join(kernel_routes.describe(entry) for entry in table.get(prefix, [])) or "no route"
            what = f"route {prefix} without {spine}"
            checks.append(_drill(router["name"], what, kernel_routes.via(others), found, f"{kernel_routes.LOOK} {prefix}"))
    return checks or [_drill(router["name"], f"routes without {spine}", "some", "none", kernel_routes.LOOK)]


def _compared(name: str, same: bool, before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[Check]:
    """FRR counts every change of a BGP table (tableVersion): equal counters mean that nothing changed even for a moment."""
    if before is None:
        return [_drill(name, "the look before", "a look", "none", "show bgp ipv4", ok=False)]
    versions, look = (before["table"]["tableVersion"], now["table"]["tableVersion"]), 'vtysh -c "show bgp ipv4 unicast json"'
    if not same:
        changed = versions[0] != versions[1]
        return [_drill(name, "changes of the BGP table", "at least 1", versions[1] - versions[0], look, ok=changed)]
    lines = [sorted(f"{kernel_routes.destination(one)} {kernel_routes.describe(one)}" for one in look["routes"]) for look in (before, now)]
    differ = sorted(set(lines[0]) ^ set(lines[1]))
    return [
        _drill(name, "changes of the BGP table", 0, versions[1] - versions[0], look),
        _drill(name, "kernel routes that differ", [], differ, kernel_routes.LOOK),
    ]


# --- the picture of uplinks ----------------------------------------------------------------------------------------------


def picture(fabric: Device, view: Device, probes: Looks) -> Device:
    """Of how many flows between two racks requests and replies share the spine: {flows, shared}. ``probes``: results of router_commands."""
    ends = flows.pair(fabric, view)
    texts = router_texts({name: outputs(result) for name, result in probes.items()}, fabric, view, "flows")
    if ends is None:
        return {"flows": 0, "shared": 0}
    spines = {leaf["name"]: {interface: spine for spine, interface in flows.uplinks(leaf).items()} for leaf in (ends.client, ends.server)}
    found = []
    for flow in flows.flows(fabric, view):
        ways = [spines[leaf["name"]].get(flows.device(texts.get(leaf["name"], {}).get(f"way {flow['port']}", "")) or "") for leaf in (ends.client, ends.server)]
        if None not in ways:
            found.append(ways[0] == ways[1])
    return {"flows": len(found), "shared": sum(found)}


def picture_checks(now: Device, step: Device, before: Device | None) -> list[Check]:
    """Requests and replies of all flows share the spine, or of none; with ``other`` the one that was not before."""
    look, told = "ip route get ... on both leaves", f"{now['shared']} of {now['flows']}"
    if now["flows"] < flows.LEAST_FLOWS:
        return [_drill("leaves", "flows whose uplinks are predicted", f"at least {flows.LEAST_FLOWS}", now["flows"], look, ok=False)]
    what = "flows whose requests and replies share the spine"
    if before is None or not step.get("other"):
        return [_drill("leaves", what, "all or none", told, look, ok=now["shared"] in (0, now["flows"]))]
    wanted = 0 if before["shared"] else now["flows"]
    return [_drill("leaves", what, f"{wanted} of {now['flows']}", told, look)]


def reorder(fabric: Device, leaf: str) -> list[Device]:
    """Lines by router that put a leaf's first next hop behind its others: [{router, lines}].

    zebra installs next hops in the order of their addresses. The link to the spine that comes first gets a second pair of addresses, and
    the leaf takes that spine's routes with the new address as next hop.
    """
    router = next(one for one in fabric["routers"] if one["name"] == leaf)
    sessions = [one for one in router["neighbors"] if not one["route_reflector_client"]]
    first = min(sessions, key=lambda one: tuple(map(int, one["address"].split("."))))
    rule = f"set policy route-map {ROUTE_MAP} rule 10"
    return [
        {"router": first["device"], "lines": [f"set interfaces ethernet {first['peer_interface']} address {ASIDE[1]}"]},
        {
            "router": leaf,
            "lines": [
                f"set interfaces ethernet {first['interface']} address {ASIDE[0]}",
                f"{rule} action permit",
                f"{rule} set ip-next-hop {ASIDE[1].partition('/')[0]}",
                f"set protocols bgp neighbor {first['address']} address-family ipv4-unicast route-map import {ROUTE_MAP}",
            ],
        },
    ]


def drop_rule(chosen: Iterable[Device], amount: int) -> str:
    """nftables' text of a table that drops the next requests of the first UDP flow, exactly so many, and counts them.

    Only DATA records (see drill_probe). A quota of bytes counts packets here: all of them are equally long.
    """
    flow = next(one for one in chosen if one["protocol"] == "udp")
    match = f"udp sport {flow['port']} udp dport {flow['server_port']} @th,112,16 {DATA} quota until {amount * PACKET} bytes"
    return f"add table ip leafspine_drill {{ chain pre {{ type filter hook prerouting priority -400; {match} counter drop; }}; }}"
