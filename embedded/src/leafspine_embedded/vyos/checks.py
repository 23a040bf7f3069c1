"""Value checks of configuration nodes, with the texts VyOS's own validators print.

A check takes the value and returns None (good) or the lines to print. A node with several
checks accepts a value that any of them accepts, and otherwise prints all their lines.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
import zoneinfo
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache

Check = Callable[[str], list[str] | None]

NUMERIC = "/usr/libexec/vyos/validators/numeric"
_NUMERIC_USAGE = [
    f"Usage: {NUMERIC} [OPTIONS] <number>|<range>",
    "  --non-negative Check if the number is non-negative (>= 0)",
    "  --positive Check if the number is positive (> 0)",
    "  --range Check if the number or range is within a range (inclusive)",
    "  --not-range Check if the number or range is not within a range (inclusive)",
    "  --not-value Check if the number does not equal a specific value",
    "  --float Allow floating-point numbers",
    "  --relative Allow relative increment/decrement (+/-N)",
    "  --allow-range Allow the argument to be a range rather than a single number",
    "  --require-range Require the argument to be a range rather than a single number",
    "  -- Interpret next item as an argument",
    "  -help  Display this list of options",
    "  --help  Display this list of options",
]
RANGE_ERROR = "Number is not in any of allowed ranges"
INTERFACE = (
    r"(bond|br|dum|en|ersp|eth|gnv|ifb|ipoe|lan|l2tp|l2tpeth|macsec|peth|ppp|pppoe|pptp|sstp|sstpc|tun|veth|vti|vtun"
    r"|vxlan|wg|wlan|wwan)[0-9]+(.\d+)?|lo"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYSCTL_ROOTS = ("net.ipv4.", "net.ipv6.", "net.core.", "net.netfilter.", "net.mpls.", "kernel.", "vm.", "fs.")
_KNOWN_SYSCTLS = re.compile(
    r"net\.ipv4\.(ip_forward|fib_multipath_(hash_policy|use_neigh|hash_fields)|tcp_\w+|icmp_\w+|igmp_\w+"
    r"|(conf|neigh)\.[^.]+\.\w+|ip_(local_port_range|default_ttl|no_pmtu_disc|nonlocal_bind|forward_\w+))"
    r"|net\.ipv6\.((conf|neigh)\.[^.]+\.\w+|fib_multipath_hash_policy)|net\.core\.\w+|net\.netfilter\.nf_conntrack_\w+"
)
_PROTOCOLS = _words(
    "ip icmp igmp ggp ipencap st tcp egp igp pup udp hmp xns-idp rdp iso-tp4 dccp xtp ddp idpr-cmtp ipv6 ipv6-route "
    "ipv6-frag idrp rsvp gre esp ah skip ipv6-icmp icmpv6 ipv6-nonxt ipv6-opts rspf vmtp eigrp ospf ax.25 ipip etherip "
    "encap pim ipcomp vrrp l2tp isis sctp fc mobility-header udplite mpls-in-ip manet hip shim6 wesp rohc all tcp_udp"
)
_SERVICES = _words("ftp ssh telnet smtp domain http pop3 ntp imap snmp bgp ldap https submission ldaps imaps pop3s radius tftp syslog")
_COMMUNITIES = _words(
    "local-as no-advertise no-export internet graceful-shutdown accept-own route-filter-translated-v4 route-filter-v4 "
    "route-filter-translated-v6 route-filter-v6 llgr-stale no-llgr accept-own-nexthop blackhole no-peer"
)


def number(low: int, high: int, *, ranges: bool = False) -> Check:
    """A whole number (or, with `ranges`, also `a-b`) between `low` and `high`."""

    def check(value: str) -> list[str] | None:
        if value.startswith("-"):
            return [f"{NUMERIC}: unknown option '{value}'.", *_NUMERIC_USAGE]
        parts = value.split("-") if ranges else [value]
        if re.fullmatch(r"[0-9]*\.[0-9]+", value):
            return [f"'{value}' is not a valid integer number"]
        if not 1 <= len(parts) <= 2 or not all(re.fullmatch(r"[0-9]{1,30}", p) for p in parts):
            return [f"'{value}' is not a valid number"]
        return None if all(low <= int(p) <= high for p in parts) else [RANGE_ERROR]

    return check


def regex(pattern: str) -> Check:
    """The whole value matches; prints nothing of its own."""
    compiled = re.compile(pattern)
    return lambda value: None if compiled.fullmatch(value) else []


def _address(value: str, version: int | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not value.isascii() or "%" in value or (":" in value and "." in value):
        return None
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        return None
    return found if version in (None, found.version) else None


def _interface(value: str, version: int | None) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    address, slash, length = value.partition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,3}", length) or _address(address, version) is None:
        return None
    try:
        return ipaddress.ip_interface(value)
    except ValueError:
        return None


def is_host(value: str, version: int | None = None) -> bool:
    """An address with a prefix length that is no network address (a broadcast address passes, as in VyOS)."""
    found = _interface(value, version)
    if found is None:
        return False
    return found.network.prefixlen >= found.network.max_prefixlen - 1 or found.ip != found.network.network_address


def is_prefix(value: str, version: int | None = None) -> bool:
    """A network address with its prefix length, no host bits set."""
    found = _interface(value, version)
    return found is not None and found.ip == found.network.network_address


def is_address(value: str, version: int | None = None) -> bool:
    return _address(value, version) is not None


def _is_range(value: str) -> bool:
    first, dash, last = value.partition("-")
    if not dash or not (is_address(first, 4) and is_address(last, 4)):
        return False
    return ipaddress.IPv4Address(first) <= ipaddress.IPv4Address(last)


def ip_check(kind: str, test: Callable[[str], bool]) -> Check:
    def check(value: str) -> list[str] | None:
        return None if test(value) else [f"Error: {value} is not a valid {kind}"]

    return check


def negated(test: Callable[[str], bool]) -> Check:
    """`!x` where `x` passes the test; silent otherwise."""
    return lambda value: None if value.startswith("!") and test(value[1:]) else []


def file_path(value: str) -> list[str] | None:
    """VyOS looks in /sys/class/net; here an unusual interface name is never known."""
    return [f"Incorrect path /sys/class/net/{value}: no such file or directory"]


def is_port(value: str) -> bool:
    return value in _SERVICES or (re.fullmatch(r"[0-9]{1,5}", value) is not None and 1 <= int(value) <= 65535)


def _is_port_range(value: str) -> bool:
    first, dash, last = value.partition("-")
    if not dash:
        return is_port(value)
    return all(re.fullmatch(r"[0-9]{1,5}", p) and 1 <= int(p) <= 65535 for p in (first, last)) and int(first) <= int(last)


def port_range(value: str) -> list[str] | None:
    return None if _is_port_range(value) else [f"Error: {value} is not a valid port or port range"]


def port_multi(value: str) -> list[str] | None:
    for part in value.removeprefix("!").split(","):
        if not (_is_port_range(part)):
            kind = "port range" if "-" in part else "port"
            return [f"Error: {part} is not a valid {kind}"]
    return None


def ip_protocol(value: str) -> list[str] | None:
    name = value.removeprefix("!")
    if name in _PROTOCOLS or (re.fullmatch(r"[0-9]{1,3}", name) and int(name) <= 255):
        return None
    return [f"Error: {value} is not a valid IP protocol"]


def as_number_list(value: str) -> list[str] | None:
    for word in value.split() or [""]:
        failed = number(1, 4294967294)(word)
        if failed:
            return failed
    return None


def _community(parts: int, limit: int) -> Check:
    def check(value: str) -> list[str] | None:
        numbers = value.split(":")
        good = len(numbers) == parts and all(re.fullmatch(r"[0-9]{1,10}", n) and int(n) <= limit for n in numbers)
        return None if good else ["Invalid community format"]

    return check


def community(value: str) -> list[str] | None:
    return None if value in _COMMUNITIES else _community(2, 65535)(value)


def extcommunity(value: str) -> list[str] | None:
    left, _, right = value.rpartition(":")
    good = right.isdigit() and (is_address(left, 4) or (left.isdigit() and int(left) <= 4294967295))
    return None if good else []


def large_community_list(value: str) -> list[str] | None:
    return None if re.fullmatch(r"[^:]+:[^:]+:[^:]+", value) and re.fullmatch(r"[0-9.*+?\[\]()|^$:_\-]+", value) else []


def relative(value: str) -> list[str] | None:
    return None if re.fullmatch(r"[+-][0-9]+", value) else ["Value is not a relative increment/decrement"]


def sysctl(value: str) -> list[str] | None:
    known = value.startswith(_SYSCTL_ROOTS) and _KNOWN_SYSCTLS.fullmatch(value)
    return None if known else ["", "", ""]


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def timezone(value: str) -> list[str] | None:
    return None if value in _zones() else ["the timezone can't be found in the timezone list"]


def url(value: str) -> list[str] | None:
    return None if re.fullmatch(r"(http|https|ftp|sftp|scp|tftp|ssh|git|git\+\w+)://.+", value) else [f'"{value}" is not a valid URL']


def base64(value: str) -> list[str] | None:
    try:
        b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return []
    return None


def vrf_name(value: str) -> list[str] | None:
    return None if re.fullmatch(r"[A-Za-z][^/]{0,14}", value) else []


# What `?` shows for a value of that kind: (form, what it is).
HINTS: dict[str, list[tuple[str, str]]] = {
    "ipv4": [("<x.x.x.x>", "IPv4 address")],
    "ipv6": [("<h:h:h:h:h:h:h:h>", "IPv6 address")],
    "ip": [("<x.x.x.x>", "IPv4 address"), ("<h:h:h:h:h:h:h:h>", "IPv6 address")],
    "ipv4-prefix": [("<x.x.x.x/x>", "IPv4 prefix")],
    "ipv6-prefix": [("<h:h:h:h:h:h:h:h/x>", "IPv6 prefix")],
    "ip-host": [("<x.x.x.x/x>", "IPv4 address and prefix length"), ("<h:h:h:h:h:h:h:h/x>", "IPv6 address and prefix length")],
    "ipv4-range": [("<x.x.x.x>-<x.x.x.x>", "IPv4 address range")],
    "not-ipv4": [("!<x.x.x.x>", "All but an IPv4 address, prefix or range")],
    "ifname": [("<interface>", "Interface name")],
    "not-ifname": [("!<interface>", "All but an interface")],
    "port": [("<1-65535>", "Port number")],
    "port-range": [("<1-65535>", "Port number"), ("<start>-<end>", "Port range")],
    "port-multi": [("<1-65535>", "Port number"), ("<start>-<end>", "Port range"), ("<name>", "Name of a service")],
    "protocol": [("<0-255>", "IP protocol number"), ("<name>", "IP protocol name")],
    "as-list": [("<1-4294967295>", "AS numbers")],
    "community": [("<AS:VAL>", "Community"), ("<name>", "Well known community")],
    "large-community": [("<GA:LDP1:LDP2>", "Large community")],
    "extcommunity": [("<ASN:NN>", "AS number and value"), ("<IP:NN>", "Address and value")],
    "relative": [("<+/-metric>", "Add or subtract")],
}
BY_NAME: dict[str, Check] = {
    "ipv4": ip_check("IPv4 address", lambda v: is_address(v, 4)),
    "ipv6": ip_check("IPv6 address", lambda v: is_address(v, 6)),
    "ip": ip_check("IP address", is_address),
    "ipv4-prefix": ip_check("IPv4 prefix", lambda v: is_prefix(v, 4)),
    "ipv6-prefix": ip_check("IPv6 prefix", lambda v: is_prefix(v, 6)),
    "ip-host": ip_check("IP host", is_host),
    "ipv4-range": ip_check("IPv4 address range", _is_range),
    "not-ipv4": negated(lambda v: is_address(v, 4) or is_prefix(v, 4) or _is_range(v)),
    "path": file_path,
    "ifname": regex(INTERFACE),
    "not-ifname": regex(rf"!({INTERFACE})"),
    "vrf": vrf_name,
    "port": lambda v: None if is_port(v) else [f"Error: {v} is not a valid port"],
    "port-range": port_range,
    "port-multi": port_multi,
    "protocol": ip_protocol,
    "as-list": as_number_list,
    "community": community,
    "large-community": _community(3, 4294967295),
    "large-community-list": large_community_list,
    "extcommunity": extcommunity,
    "relative": relative,
    "sysctl": sysctl,
    "timezone": timezone,
    "url": url,
    "base64": base64,
}
