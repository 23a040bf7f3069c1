"""Addresses and default routes of nodes on their rack: what has to be done, as pure functions."""

from __future__ import annotations

from typing import Any


class NodeError(Exception):
    """A node that cannot be given its address; the text names node, interface and what to do."""


def default_route(routes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The default route with the lowest metric of ``ip -j -4 route``, or None."""
    defaults = [route for route in routes if route.get("dst") == "default"]
    return min(defaults, key=lambda route: route.get("metric", 0), default=None)


def addresses(links: list[dict[str, Any]], interface: str) -> list[str] | None:
    """Global IPv4 addresses (``a.b.c.d/len``) of an interface in ``ip -j addr``; None when there is no such interface."""
    for link in links:
        if link.get("ifname") == interface:
            infos = link.get("addr_info", [])
            return [f"{info['local']}/{info['prefixlen']}" for info in infos if info["family"] == "inet" and info["scope"] == "global"]
    return None


def is_up(links: list[dict[str, Any]], interface: str) -> bool:
    """Whether an interface of ``ip -j addr`` is administratively up."""
    return any(link.get("ifname") == interface and "UP" in link.get("flags", []) for link in links)


def plan_present(node: dict[str, Any], links: list[dict[str, Any]], routes: list[dict[str, Any]]) -> list[list[str]]:
    """``ip`` commands (without the leading ``ip``) that give a node its address and default route; none when it has both."""
    interface = node["interface"]
    found = addresses(links, interface)
    if found is None:
        raise NodeError(f"{node['node']}: there is no interface {interface}; build the links first: --tags containerlab")
    wanted = f"{node['address']}/{node['prefix_length']}"
    commands = []
    if not is_up(links, interface):
        commands.append(["link", "set", "dev", interface, "up"])
    commands += [["address", "delete", address, "dev", interface] for address in found if address != wanted]
    if wanted not in found:
        commands.append(["address", "add", wanted, "dev", interface])
    route = default_route(routes) or {}
    if (route.get("gateway"), route.get("dev")) != (node["gateway"], interface):
        commands.append(["route", "replace", "default", "via", node["gateway"], "dev", interface])
    return commands


def plan_absent(node: dict[str, Any], links: list[dict[str, Any]], routes: list[dict[str, Any]], former: dict[str, Any] | None) -> list[list[str]]:
    """``ip`` commands that take address and default route away again and put the former default route back."""
    interface = node["interface"]
    commands = []
    route = default_route(routes) or {}
    # No default route at all: the link that carried it has gone before.
    if route.get("dev") in (None, interface):
        if former and former.get("gateway") and former.get("dev"):
            commands.append(["route", "replace", "default", "via", former["gateway"], "dev", former["dev"]])
        elif route:
            commands.append(["route", "delete", "default", "dev", interface])
    wanted = f"{node['address']}/{node['prefix_length']}"
    if wanted in (addresses(links, interface) or []):
        commands.append(["address", "delete", wanted, "dev", interface])
    return commands
