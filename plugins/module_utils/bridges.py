"""What has to be done to the lab host's bridges: pure functions over an observed state.

Docker's effects on bridged traffic: with ``bridge-nf-call-iptables=1`` bridged packets traverse FORWARD, whose policy Docker
sets to DROP; rules in DOCKER-USER come first and survive Docker's own restarts (docs.docker.com, "Packet filtering and firewalls").
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any


class BridgeError(Exception):
    """A bridge that cannot be kept as asked; the text names it and says what to do."""


@dataclass(frozen=True)
class Bridge:
    """One link of the host: name, MTU in bytes, administrative state, alias, whether it is a bridge."""

    name: str
    mtu: int
    up: bool
    alias: str
    is_bridge: bool


@dataclass(frozen=True)
class Observed:
    """The host as found: links by name, ``iptables -S`` lines, path of iptables or None, whether bridged packets pass through it."""

    links: dict[str, Bridge]
    rules: list[str]
    iptables: str | None
    filtered: bool


def rule_key(owner: str) -> str:
    """The mark that a bridge's alias and a rule's comment carry."""
    return f"leafspine:{owner}"


def _chain(observed: Observed) -> str:
    return "DOCKER-USER" if "-N DOCKER-USER" in observed.rules else "FORWARD"


def owned_rules(names: list[str], owner: str, observed: Observed) -> list[str]:
    """The ``iptables -S`` lines that carry the owner's mark and name one of the bridges."""
    found = []
    for rule in observed.rules:
        words = shlex.split(rule)
        if rule_key(owner) in words and any(name in words for name in names):
            found.append(rule)
    return found


def _accept(chain: str, direction: str, name: str, owner: str) -> list[str]:
    return [chain, direction, name, "-m", "comment", "--comment", rule_key(owner), "-j", "ACCEPT"]


def _same_rule(rule: str, words: list[str]) -> bool:
    return shlex.split(rule) == ["-A", *words]


def _link_commands(bridge: dict[str, Any], owner: str, observed: Observed) -> list[list[str]]:
    name, mtu = bridge["name"], bridge["mtu"]
    link = observed.links.get(name)
    mark = rule_key(owner)
    commands: list[list[str]] = []
    if link is None:
        commands.append(["ip", "link", "add", "name", name, "mtu", str(mtu), "type", "bridge", "forward_delay", "0"])
        # The host has no business on a rack's segment: no link-local address on the bridge itself. The kernel takes a link up before it looks
        # at addrgenmode, so the two cannot be asked for in one command.
        commands.append(["ip", "link", "set", "dev", name, "addrgenmode", "none", "alias", mark])
        commands.append(["ip", "link", "set", "dev", name, "up"])
        return commands
    if not link.is_bridge:
        raise BridgeError(f"{name}: a link of that name exists and is not a bridge; rename the leaf or set another bridge_prefix in fabric.yml")
    if link.alias != mark:
        holder = f"belongs to {link.alias}" if link.alias else "carries no lab's mark"
        raise BridgeError(
            f"{name}: the bridge exists and {holder}, not to {mark}; remove it (ip link delete {name}) or set another bridge_prefix in fabric.yml"
        )
    if link.mtu != mtu:
        commands.append(["ip", "link", "set", "dev", name, "mtu", str(mtu)])
    if not link.up:
        commands.append(["ip", "link", "set", "dev", name, "up"])
    return commands


def plan(bridges: list[dict[str, Any]], owner: str, state: str, firewall_accept: str, observed: Observed) -> list[list[str]]:
    """The commands, in order, that bring the host from ``observed`` to what is asked; none when nothing is to be done.

    Raises BridgeError before anything is touched: a name too long, a link that is not ours, rules needed without iptables.
    """
    names = [bridge["name"] for bridge in bridges]
    for name in names:
        if not 0 < len(name) <= 15:
            raise BridgeError(f"{name!r}: an interface name has 1 to 15 characters, this one has {len(name)}")
    present = owned_rules(names, owner, observed)
    commands: list[list[str]] = []
    if state == "absent":
        commands += [[str(observed.iptables), "-w", "-D", *shlex.split(rule)[1:]] for rule in present]
        commands += [["ip", "link", "delete", name] for name in names if name in observed.links and observed.links[name].alias == rule_key(owner)]
        return commands
    for bridge in bridges:
        commands += _link_commands(bridge, owner, observed)
    accept = firewall_accept == "always" or (firewall_accept == "auto" and observed.filtered)
    if accept and not observed.iptables:
        raise BridgeError("bridged packets pass through iptables here, but there is no iptables command to accept the racks' traffic with: install iptables")
    if accept:
        for name in names:
            for direction in ("-i", "-o"):
                words = _accept(_chain(observed), direction, name, owner)
                if not any(_same_rule(rule, words) for rule in present):
                    commands.append([str(observed.iptables), "-w", "-I", *words])
    return commands


def snapshot(names: list[str], owner: str, observed: Observed) -> str:
    """A readable picture of the bridges and rules, for a diff."""
    lines = []
    for name in names:
        link = observed.links.get(name)
        lines.append(f"{name}: absent" if link is None else f"{name}: mtu {link.mtu}, {'up' if link.up else 'down'}, alias {link.alias or '-'}")
    lines += owned_rules(names, owner, observed)
    return "".join(f"{line}\n" for line in lines)
