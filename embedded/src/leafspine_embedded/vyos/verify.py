"""Checks at commit, with VyOS's texts. As in VyOS, only the sections that changed are looked at."""

from __future__ import annotations

from collections.abc import Callable

from leafspine_embedded.vyos.model import CommitError
from leafspine_embedded.vyos.section import Section
from leafspine_embedded.vyos.tree import Tree
from leafspine_embedded.vyos.verify_bgp import verify_bgp

Warnings = list[str]


def verify(new: Tree, old: Tree, *, interfaces: set[str]) -> Warnings:
    """Warnings, without their `WARNING: `. `interfaces`: the Ethernet interfaces the router has.

    Raises CommitError at the first section VyOS would refuse.
    """
    warnings: Warnings = []
    _ethernet(new, old, interfaces)
    for path, check in _CHECKS:
        if new.get(path) != old.get(path) and new.get(path) is not None:
            check(new, warnings, interfaces)
    if new.get(["protocols", "bgp"]) != old.get(["protocols", "bgp"]):
        warnings += verify_bgp(new)
    return warnings


def _ethernet(new: Tree, old: Tree, interfaces: set[str]) -> None:
    for name in new.keys("interfaces", "ethernet"):
        path = ["interfaces", "ethernet", name]
        if new.get(path) == old.get(path):
            continue
        section = " ".join(path)
        conf = Section(new, *path)
        if name not in interfaces:
            raise CommitError(section, f'Interface "{name}" does not exist on this router!')
        if ((conf.value("speed") or "auto") == "auto") != ((conf.value("duplex") or "auto") == "auto"):
            raise CommitError(section, "Speed/Duplex missmatch. Must be both auto or manually configured")
        mtu = conf.value("mtu")
        if mtu and int(mtu) < 1280 and any(":" in address for address in conf.values("address")):
            raise CommitError(section, f'IPv6 address will be configured on interface "{name}", the required minimum MTU is 1280!')


def _login(new: Tree, warnings: Warnings, interfaces: set[str]) -> None:
    users = Section(new, "system", "login", "user")
    for name in new.keys(*users.path):
        for key in users.keys(name, "authentication", "public-keys"):
            row = users.at(name, "authentication", "public-keys", key)
            for wanted in ("type", "key"):
                if row.value(wanted) is None:
                    raise CommitError("system login", f'Missing {wanted} for public-key "{key}"!')


def _lists(new: Tree, warnings: Warnings, interfaces: set[str]) -> None:
    policy = Section(new, "policy")
    for kind, wanted in _LIST_NEEDS.items():
        for name in policy.keys(kind):
            seen: list[object] = []
            for rule in policy.keys(kind, name, "rule"):
                row = policy.at(kind, name, "rule", rule)
                error = f'must be specified for "{kind} {name} rule {rule}"!'
                if row.value("action") is None:
                    raise CommitError("policy", f"Action {error}")
                if wanted is not None and not row.has(wanted):
                    raise CommitError("policy", f"A {wanted} {error}")
                if kind == "access-list" and _extended(name) and not row.has("destination"):
                    raise CommitError("policy", f"A destination {error}")
                if kind.startswith("prefix-list"):
                    node = new.get(row.path)
                    if node in seen:
                        raise CommitError("policy", f'Rule "{rule}" contains a duplicate prefix definition!')
                    seen.append(node)
    for name in policy.keys("route-map"):
        for rule in policy.keys("route-map", name, "rule"):
            _route_map_rule(policy, policy.at("route-map", name, "rule", rule), rule)


def _extended(name: str) -> bool:
    return name.isdigit() and (100 <= int(name) < 200 or 2000 <= int(name) < 2700)


_LIST_NEEDS: dict[str, str | None] = {
    "access-list": "source",
    "access-list6": "source",
    "as-path-list": "regex",
    "community-list": "regex",
    "extcommunity-list": "regex",
    "large-community-list": "regex",
    "prefix-list": "prefix",
    "prefix-list6": "prefix",
    "route-map": None,
}
# What a route-map rule refers to -> the list it must be in, and how VyOS names it.
_REFERENCES = [
    ("match community community-list", "community-list", "community-list"),
    ("match extcommunity", "extcommunity-list", "extcommunity-list"),
    ("match large-community large-community-list", "large-community-list", "large-community-list"),
    ("match ip address prefix-list", "prefix-list", "prefix-list"),
    ("match ipv6 address prefix-list", "prefix-list6", "prefix-list6"),
    ("match ipv6 nexthop access-list", "access-list6", "access_list6"),
    ("match ipv6 nexthop prefix-list", "prefix-list6", "prefix-list6"),
    ("set community delete", "community-list", "community-list"),
    ("set large-community delete", "large-community-list", "large-community-list"),
]


def _route_map_rule(policy: Section, row: Section, rule: str) -> None:
    if row.value("action") == "deny" and (row.has("continue") or row.has("on-match")):
        raise CommitError("policy", f'rule {rule} "continue" or "on-match" cannot be used with action deny!')
    for path, kind, title in _REFERENCES:
        name = row.value(path)
        if name is not None and not policy.has(kind, name):
            raise CommitError("policy", f"{title} {name} does not exist!")
    for kind in ("community", "large-community"):
        used = {action for action in ("add", "replace", "none", "delete") if row.has("set", kind, action)}
        both = [{"none", "replace"}, {"none", "add"}, {"replace", "add"}, {"delete", "none"}, {"delete", "replace"}]
        if any(pair <= used for pair in both):
            raise CommitError("policy", f"Unexpected combination between action replace, add, delete or none in {kind}")
    extended = {action for action in ("none", "rt", "soo", "bandwidth", "bandwidth-non-transitive") if row.has("set", "extcommunity", action)}
    if ("none" in extended and len(extended) > 1) or ("bandwidth-non-transitive" in extended and "bandwidth" not in extended):
        text = "Unexpected combination between none, rt, soo, bandwidth, bandwidth-non-transitive in extended-community"
        raise CommitError("policy", text)


def _static(new: Tree, warnings: Warnings, interfaces: set[str]) -> None:
    for kind in ("route", "route6"):
        for prefix in new.keys("protocols", "static", kind):
            if {"blackhole", "reject"} <= set(new.keys("protocols", "static", kind, prefix)):
                raise CommitError("protocols static", f'Can not use both blackhole and reject for prefix "{prefix}"!')


def _bfd(new: Tree, warnings: Warnings, interfaces: set[str]) -> None:
    bfd = Section(new, "protocols", "bfd")
    for name in bfd.keys("peer"):
        peer = bfd.at("peer", name)
        error = _bfd_peer(name, peer)
        profile = peer.value("profile")
        if error is None and profile is not None and not bfd.has("profile", profile):
            error = f'BFD profile "{profile}" does not exist!'
        if error is not None:
            raise CommitError("protocols bfd", error)


def _bfd_peer(name: str, peer: Section) -> str | None:
    address, interface = peer.value("source address"), peer.value("source interface")
    if name.lower().startswith("fe80:") and not (address and interface):
        return "BFD IPv6 link-local peers require explicit local address and interface setting"
    if ":" in name and not address:
        return "BFD IPv6 peers require explicit local address setting"
    if peer.has("multihop"):
        if not address:
            return "BFD multihop require source address"
        if peer.has("echo-mode"):
            return "BFD multihop and echo-mode cannot be used together"
        if interface:
            return "BFD multihop and source interface cannot be used together"
    elif peer.has("minimum-ttl"):
        return "Minimum TTL is only available for multihop BFD sessions!"
    return None


def _nat(new: Tree, warnings: Warnings, interfaces: set[str]) -> None:
    known = interfaces | {"lo", "any"} | set(new.keys("interfaces", "dummy")) | set(new.keys("interfaces", "ethernet"))
    for side, direction in (("source", "outbound"), ("destination", "inbound")):
        for rule in new.keys("nat", side, "rule"):
            _nat_rule(Section(new, "nat", side, "rule", rule), rule, side, direction, known, warnings)


def _nat_rule(row: Section, rule: str, side: str, direction: str, known: set[str], warnings: Warnings) -> None:
    error = f"{side.capitalize()} NAT configuration error in rule {rule}:"
    ports = any(row.value(path) for path in ("translation port", "translation redirect port", "source port", "destination port"))
    if ports and row.value("protocol") not in ("tcp", "udp", "tcp_udp"):
        raise CommitError("nat", f"{error} ports can only be specified when protocol is either tcp, udp or tcp_udp!")
    name = (row.value(f"{direction}-interface name") or "any").removeprefix("!")
    if name not in known:
        warnings.append(f'Interface "{name}" for {side} NAT rule "{rule}" does not exist!')
    translated = row.value("translation address") or row.value("translation port") or row.has("translation", "redirect")
    if not translated and not row.has("exclude"):
        raise CommitError("nat", f"{error} translation requires address and/or port")
    address = row.value("translation address")
    if side == "source" and address not in (None, "masquerade") and "/" not in (address or ""):
        warnings.extend(f"IP address {ip} does not exist on the system!" for ip in (address or "").split("-") if not _assigned(row.tree, ip))


def _assigned(tree: Tree, ip: str) -> bool:
    for kind in ("ethernet", "dummy", "loopback"):
        for name in tree.keys("interfaces", kind):
            if any(address.partition("/")[0] == ip for address in tree.values("interfaces", kind, name, "address")):
                return True
    return False


_CHECKS: list[tuple[list[str], Callable[[Tree, Warnings, set[str]], None]]] = [
    (["system", "login"], _login),
    (["policy"], _lists),
    (["nat"], _nat),
    (["protocols", "static"], _static),
    (["protocols", "bfd"], _bfd),
]
