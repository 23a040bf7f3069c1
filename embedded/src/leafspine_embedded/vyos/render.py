"""From a configuration tree to what the box needs: FRR configuration, NAT rules, kernel settings."""

from __future__ import annotations

from collections.abc import Iterator

from leafspine_embedded.vyos.plan import InterfacePlan, KernelPlan, kernel_plan
from leafspine_embedded.vyos.render_bgp import bgp
from leafspine_embedded.vyos.render_nat import TABLE as NAT_TABLE
from leafspine_embedded.vyos.render_nat import nft_ruleset
from leafspine_embedded.vyos.render_policy import policy
from leafspine_embedded.vyos.section import Section
from leafspine_embedded.vyos.tree import Tree

__all__ = ["NAT_TABLE", "InterfacePlan", "KernelPlan", "frr_config", "frr_sections", "hostname", "kernel_plan", "needs_bfdd", "nft_ruleset"]


def hostname(tree: Tree) -> str:
    return tree.value("system", "host-name") or "vyos"


def frr_sections(tree: Tree) -> str:
    """The FRR configuration without its head: what `show running-config` has between hostname and end.

    The order is FRR's own. "" when nothing is configured.
    """
    groups = [list(_next_hops(tree)), static(tree), bgp(tree), policy(tree), list(_kernel_filters(tree)), bfd(tree)]
    return "\n!\n".join("\n".join(group) for group in groups if group)


def frr_config(tree: Tree) -> str:
    """A whole frr.conf."""
    head = f"frr defaults traditional\nhostname {hostname(tree)}\nservice integrated-vtysh-config\n!\n"
    body = frr_sections(tree)
    return f"{head}{body}\n!\nend\n" if body else f"{head}end\n"


def needs_bfdd(tree: Tree) -> bool:
    """True when a BGP neighbour, a peer-group or a BFD peer uses BFD."""
    if tree.get(["protocols", "bfd", "peer"]) is not None:
        return True
    peers = [("protocols", "bgp", kind, name, "bfd") for kind in ("neighbor", "peer-group") for name in tree.keys("protocols", "bgp", kind)]
    return any(tree.get(path) is not None for path in peers)


def _next_hops(tree: Tree) -> Iterator[str]:
    for family in ("ip", "ipv6"):
        yield from Section(tree, "system", family).flag("nht no-resolve-via-default", f"no {family} nht resolve-via-default")


def _kernel_filters(tree: Tree) -> Iterator[str]:
    """Route-maps between a protocol and the kernel."""
    yield from Section(tree, "protocols", "static").one("route-map", "ip protocol static route-map {}")
    for family in ("ip", "ipv6"):
        conf = Section(tree, "system", family)
        for protocol in conf.keys("protocol"):
            name = {"ospfv3": "ospf6"}.get(protocol, protocol)
            yield from conf.at("protocol", protocol).one("route-map", f"{family} protocol {name} route-map {{}}")


def static(tree: Tree) -> list[str]:
    """`ip route` and `ipv6 route` lines."""
    conf = Section(tree, "protocols", "static")
    lines = list(_routes(conf, ""))
    for number in conf.keys("table"):
        lines += _routes(conf.at("table", number), f" table {number}")
    return lines


def _routes(conf: Section, table: str) -> Iterator[str]:
    for kind, word in (("route", "ip route"), ("route6", "ipv6 route")):
        for prefix in conf.keys(kind):
            route = conf.at(kind, prefix)
            for fate in ("blackhole", "reject"):
                if route.has(fate):
                    tag, distance = route.value(f"{fate} tag"), route.value(f"{fate} distance")
                    yield f"{word} {prefix} {fate}" + (f" tag {tag}" if tag else "") + (f" {distance}" if distance else "") + table
            for name in route.keys("interface"):
                hop = route.at("interface", name)
                if not hop.has("disable"):
                    yield " ".join([word, prefix, name, *_option(hop, "distance")]) + table
            for address in route.keys("next-hop"):
                hop = route.at("next-hop", address)
                if not hop.has("disable"):
                    yield " ".join([word, prefix, address, *_option(hop, "interface"), *_option(hop, "distance")]) + table


def _option(hop: Section, name: str) -> list[str]:
    value = hop.value(name)
    return [value] if value else []


def bfd(tree: Tree) -> list[str]:
    """The `bfd` block; settings at FRR's default are left out, as FRR does."""
    conf = Section(tree, "protocols", "bfd")
    inner: list[str] = []
    for name in conf.keys("profile"):
        inner += [f" profile {name}", *_session(conf.at("profile", name)), " exit", " !"]
    for name in conf.keys("peer"):
        peer = conf.at("peer", name)
        words = [f" peer {name}", *(["multihop"] if peer.has("multihop") else [])]
        words += ["local-address", peer.value("source address") or ""] if peer.value("source address") else []
        words += ["interface", peer.value("source interface") or ""] if peer.value("source interface") else []
        inner += [" ".join(words), *peer.one("profile", "  profile {}"), *_session(peer), " exit", " !"]
    return ["bfd", *inner, "exit"] if inner else []


def _session(conf: Section) -> Iterator[str]:
    for name, word, default in (
        ("multiplier", "detect-multiplier", "3"),
        ("transmit", "transmit-interval", "300"),
        ("receive", "receive-interval", "300"),
    ):
        value = conf.value(f"interval {name}")
        if value is not None and value != default:
            yield f"  {word} {value}"
    yield from conf.flag("passive", "  passive-mode")
    echo = conf.value("interval echo-interval")
    if echo is not None and echo != "50":
        yield f"  echo transmit-interval {echo}"
        yield f"  echo receive-interval {echo}"
    yield from conf.flag("echo-mode", "  echo-mode")
    yield from conf.one("minimum-ttl", "  minimum-ttl {}")
    yield from conf.flag("shutdown", "  shutdown")
