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


def owned_rules(owner: str, observed: Observed) -> list[str]:
    """The ``iptables -S`` lines that carry the owner's mark."""
    return [rule for rule in observed.rules if rule_key(owner) in shlex.split(rule)]


def owned_bridges(owner: str, observed: Observed) -> list[str]:
    """Names of the bridges that carry the owner's mark, wanted or not: what an earlier inventory made is the owner's as well."""
    return [link.name for link in observed.links.values() if link.is_bridge and link.alias == rule_key(owner)]


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
    if state == "absent":
        return _removal(owned_rules(owner, observed), owned_bridges(owner, observed), observed)
    accept = firewall_accept == "always" or (firewall_accept == "auto" and observed.filtered)
    if accept and not observed.iptables:
        raise BridgeError("bridged packets pass through iptables here, but there is no iptables command to accept the racks' traffic with: install iptables")
    wanted = [_accept(_chain(observed), direction, name, owner) for name in names for direction in ("-i", "-o")] if accept else []
    rules = owned_rules(owner, observed)
    stale = [rule for rule in rules if not any(_same_rule(rule, words) for words in wanted)]
    repair = [command for bridge in bridges for command in _link_commands(bridge, owner, observed)]
    commands = _removal(stale, [name for name in owned_bridges(owner, observed) if name not in names], observed)
    commands += repair
    commands += [[str(observed.iptables), "-w", "-I", *words] for words in wanted if not any(_same_rule(rule, words) for rule in rules)]
    return commands


def _removal(rules: list[str], links: list[str], observed: Observed) -> list[list[str]]:
    return [[str(observed.iptables), "-w", "-D", *shlex.split(rule)[1:]] for rule in rules] + [["ip", "link", "delete", name] for name in links]


def snapshot(names: list[str], owner: str, observed: Observed) -> str:
    """A readable picture of the bridges, those wanted and those there, and of their rules, for a diff."""
    lines = []
    for name in [*names, *(name for name in owned_bridges(owner, observed) if name not in names)]:
        link = observed.links.get(name)
        lines.append(f"{name}: absent" if link is None else f"{name}: mtu {link.mtu}, {'up' if link.up else 'down'}, alias {link.alias or '-'}")
    lines += owned_rules(owner, observed)
    return "".join(f"{line}\n" for line in lines)
