"""Which of a node's addresses BGP uses: Calico's IP and IP_AUTODETECTION_METHOD. Pure but for `interfaces`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

# Interfaces that never carry the node's own address, as in the real agent's default exclusions.
_EXCLUDED = re.compile(r"docker.*|cbr.*|dummy.*|virbr.*|lxcbr.*|veth.*|lo|cali.*|tunl.*|flannel.*|kube-ipvs.*|cni.*|vxlan\.calico.*|vxlan-v6\.calico.*")


class AutodetectError(Exception):
    """No address; the text says which method found nothing, or what is wrong with the method."""


@dataclass(frozen=True)
class Interface:
    """A link of the node that is up, with its IPv4 addresses."""

    name: str
    addresses: tuple[IPv4Interface, ...]


def parse(text: str) -> list[Interface]:
    """From `ip -j -4 addr`. Only global addresses of links that are up count."""
    found = []
    for link in json.loads(text or "[]"):
        if "UP" not in link.get("flags", []):
            continue
        addresses = tuple(IPv4Interface(f"{a['local']}/{a['prefixlen']}") for a in link.get("addr_info", []) if a.get("scope") == "global" and "local" in a)
        if addresses:
            found.append(Interface(link["ifname"], addresses))
    return found


async def interfaces(namespace: str) -> list[Interface]:
    """The links of a network namespace. Raises AutodetectError when it cannot be read."""
    process = await asyncio.create_subprocess_exec("ip", "-n", namespace, "-j", "-4", "addr", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, errors = await asyncio.wait_for(process.communicate(), 10)
    if process.returncode != 0:
        raise AutodetectError(f"the node's interfaces cannot be read: {errors.decode(errors='replace').strip()}")
    return parse(out.decode())


def _by_name(links: Iterable[Interface], patterns: str, *, skip: bool) -> Iterable[Interface]:
    try:
        wanted = [re.compile(pattern) for pattern in patterns.split(",") if pattern]
    except re.error as error:
        raise AutodetectError(f"not a regular expression in {patterns!r}: {error}") from None
    if not wanted:
        raise AutodetectError("the method needs at least one interface name or expression")
    if skip:
        return [link for link in links if not _EXCLUDED.fullmatch(link.name) and not any(p.fullmatch(link.name) for p in wanted)]
    # The order of the expressions decides, then the kernel's.
    return [link for pattern in wanted for link in links if pattern.fullmatch(link.name)]


def _in_networks(links: Iterable[Interface], cidrs: str) -> Iterable[IPv4Interface]:
    try:
        networks = [IPv4Network(cidr) for cidr in cidrs.split(",")]
    except ValueError as error:
        raise AutodetectError(f"invalid CIDR in the method: {error}") from None
    return (address for link in links for address in link.addresses if any(address.ip in network for network in networks))


def detect(method: str, links: Sequence[Interface], internal_ip: IPv4Address | None) -> IPv4Interface:
    """The address and its subnet's length. internal_ip: the Kubernetes node's InternalIP. Raises AutodetectError."""
    kind, _, value = (method or "first-found").partition("=")
    found: Iterable[IPv4Interface]
    if kind == "kubernetes-internal-ip":
        if internal_ip is None:
            raise AutodetectError("the Kubernetes node has no InternalIP yet")
        every = (address for link in links for address in link.addresses)
        return next((address for address in every if address.ip == internal_ip), IPv4Interface(f"{internal_ip}/32"))
    if kind == "first-found":
        found = (link.addresses[0] for link in links if not _EXCLUDED.fullmatch(link.name))
    elif kind in ("interface", "skip-interface"):
        found = (link.addresses[0] for link in _by_name(links, value, skip=kind == "skip-interface"))
    elif kind == "cidr":
        found = _in_networks(links, value)
    else:
        raise AutodetectError(f"IP_AUTODETECTION_METHOD {method!r} is not supported: first-found, kubernetes-internal-ip, interface=, skip-interface=, cidr=")
    address = next(iter(found), None)
    if address is None:
        shown = method or "first-found"
        raise AutodetectError(f"Unable to auto-detect an IPv4 address using method {shown}: no valid IPv4 addresses found on the host interfaces")
    return address


def wanted(env: Mapping[str, str], stored: IPv4Interface | None, links: Sequence[Interface], internal_ip: IPv4Address | None) -> IPv4Interface:
    """The address by the variables of calico-node: IP=autodetect always detects, IP unset or empty keeps a stored one, else IP is it.

    Raises AutodetectError.
    """
    choice = env.get("IP", "")
    if choice in ("", "autodetect"):
        if choice == "" and stored is not None:
            return stored
        return detect(env.get("IP_AUTODETECTION_METHOD", ""), links, internal_ip)
    if choice == "none":
        raise AutodetectError("IP=none: a node without an IPv4 address for BGP is not supported")
    try:
        return IPv4Interface(choice)
    except ValueError:
        raise AutodetectError(f"IP={choice} is neither an IPv4 address nor autodetect") from None


def annotation(links: Iterable[Interface]) -> str:
    """The value of projectcalico.org/Interfaces."""
    shown = [{"name": link.name, "addresses": [str(a.ip) for a in link.addresses]} for link in links if not _EXCLUDED.fullmatch(link.name)]
    return json.dumps(shown, separators=(",", ":"))
