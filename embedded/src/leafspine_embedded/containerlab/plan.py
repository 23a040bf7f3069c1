"""What a deploy would do: the difference between topology, record and what is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .model import Endpoint, Link
from .observe import Interface, Observed
from .record import Built, Record

MANAGEMENT = "eth0"


@dataclass
class Plan:
    """fresh: nothing of the lab runs. Lists hold node names; daemons: router -> FRR daemons to start again (all of them for a restart)."""

    fresh: bool = False
    added_nodes: list[str] = field(default_factory=list)
    deleted_nodes: list[str] = field(default_factory=list)
    recreated_nodes: list[str] = field(default_factory=list)
    restarted_nodes: list[str] = field(default_factory=list)
    added_links: list[Link] = field(default_factory=list)
    deleted_endpoints: list[Endpoint] = field(default_factory=list)
    management_ports: list[str] = field(default_factory=list)
    bridge_missing: bool = False
    service_missing: bool = False
    daemons: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def new_nodes(self) -> list[str]:
        """Nodes whose namespace is to be made."""
        return sorted({*self.added_nodes, *self.recreated_nodes})

    @property
    def empty(self) -> bool:
        changes = (self.added_nodes, self.deleted_nodes, self.recreated_nodes, self.restarted_nodes, self.added_links, self.deleted_endpoints)
        return not (self.fresh or any(changes) or self.management_ports or self.bridge_missing or self.service_missing)

    def as_json(self, lab: str) -> dict[str, Any]:
        """The shape of `deploy --dry-run --format json`."""
        lists: dict[str, Any] = {
            "added-nodes": sorted(self.added_nodes),
            "deleted-nodes": sorted(self.deleted_nodes),
            "recreated-nodes": sorted(self.recreated_nodes),
            "started-nodes": [],
            "added-links": [str(link) for link in self.added_links] + [f"{name}:{MANAGEMENT} <--> mgmt-net" for name in self.management_ports],
            "deleted-endpoints": [str(end) for end in self.deleted_endpoints],
            "restarted-nodes": sorted(self.restarted_nodes),
        }
        head: dict[str, Any] = {"dry-run": True, "deployed-lab": self.fresh}
        if self.fresh:
            return {**head, "lab-name": lab, **{key: [] for key in lists}}
        result = {**head, **lists}
        if self.reasons:
            result["node-change-reasons"] = dict(sorted(self.reasons.items()))
        return result


def make(want: Record, have: Record | None, seen: Observed, host_veth: dict[str, str]) -> Plan:
    """The plan. `have` is the record of the last deploy (None: never), host_veth: node -> name of its management port on the host."""
    mine = [built for built in want.nodes.values() if built.node.built_here]
    if have is None or (mine and not any(_finished(have.nodes.get(built.node.name), seen) for built in mine)):
        return Plan(fresh=True, added_nodes=[built.node.name for built in mine], added_links=list(want.links), bridge_missing=True)
    plan = Plan()
    _nodes(plan, want, have, seen)
    _management(plan, want, seen, host_veth)
    _links(plan, want, have, seen)
    _processes(plan, want, seen)
    return plan


def _finished(built: Built | None, seen: Observed) -> bool:
    """True when the namespace is the very one that a deploy finished."""
    return built is not None and built.inode is not None and seen.inodes.get(built.node.container) == built.inode


def _nodes(plan: Plan, want: Record, have: Record, seen: Observed) -> None:
    for name, built in want.nodes.items():
        if not built.node.built_here:
            continue
        before = have.nodes.get(name)
        if not _finished(before, seen):
            plan.added_nodes.append(name)
            continue
        assert before is not None
        drift = _drift(before, built)
        if drift:
            plan.recreated_nodes.append(name)
            plan.reasons[name] = "config drift: " + ", ".join(drift)
    stays = {name for name, built in want.nodes.items() if built.node.built_here}
    plan.deleted_nodes = [name for name, built in have.nodes.items() if built.node.built_here and name not in stays]


def _drift(before: Built, after: Built) -> list[str]:
    """Names of the settings that make a new container necessary. As with the real tool, a bound file's content is not among them."""
    old, new = before.node, after.node
    pairs = {
        "kind": (old.kind, new.kind),
        "image": (old.image, new.image),
        "container": (old.container, new.container),
        "binds": (old.binds, new.binds),
        "env": (old.env, new.env),
        "mgmt-ipv4": (before.address, after.address),
    }
    return [name for name, (was, now) in pairs.items() if was != now]


def _management(plan: Plan, want: Record, seen: Observed, host_veth: dict[str, str]) -> None:
    bridge = seen.interface("", want.management.bridge)
    plan.bridge_missing = bridge is None or bridge.kind != "bridge"
    for name, built in want.nodes.items():
        if not built.node.built_here or name in plan.new_nodes:
            continue
        inside = seen.interface(built.node.container, MANAGEMENT)
        outside = seen.interface("", host_veth[name])
        if not _joined(inside, outside) or outside is None or outside.master != want.management.bridge:
            plan.management_ports.append(name)


def _joined(one: Interface | None, other: Interface | None) -> bool:
    """True when the two interfaces are the ends of one veth pair."""
    return one is not None and other is not None and one.peer == other.index and other.peer == one.index


def _links(plan: Plan, want: Record, have: Record, seen: Observed) -> None:
    places = want.places()
    for link in want.links:
        ends = [seen.interface(places[end.node], end.interface) for end in link.ends]
        whole = _joined(ends[0], ends[1]) and not {link.a.node, link.b.node} & set(plan.new_nodes)
        for end, interface in zip(link.ends, ends, strict=True):
            if want.nodes[end.node].node.kind == "bridge" and (interface is None or interface.master != end.node):
                whole = False
        if not whole:
            plan.added_links.append(link)
    kept = {end for link in want.links for end in link.ends}
    old_places = have.places()
    for link in have.links:
        for end in link.ends:
            if end not in kept and end.node not in plan.deleted_nodes and seen.interface(old_places[end.node], end.interface) is not None:
                plan.deleted_endpoints.append(end)


def _processes(plan: Plan, want: Record, seen: Observed) -> None:
    routers = [name for name, built in want.nodes.items() if built.router]
    plan.service_missing = bool(routers) and not seen.service_alive
    for name in routers:
        if name in plan.new_nodes:
            continue
        dead = seen.dead.get(name, [])
        if dead:
            plan.daemons[name] = dead
            plan.reasons[name] = f"not running: {', '.join(dead)}"
        elif plan.service_missing:
            plan.reasons[name] = "not running: command line service"
        else:
            continue
        plan.restarted_nodes.append(name)
