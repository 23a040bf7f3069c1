"""Programs the helper runs in a router's namespace for the command line: a fixed table, and ping and traceroute with checked options."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

# What `show ...` commands read. Nothing in them comes from the caller.
READS: dict[str, list[str]] = {
    "addresses": ["ip", "-j", "-d", "addr", "show"],
    "links": ["ip", "-d", "-s", "addr", "show"],
    "counters": ["ip", "-j", "-s", "link", "show"],
    "neighbours": ["ip", "-j", "-4", "neigh", "show"],
    "neighbours6": ["ip", "-j", "-6", "neigh", "show"],
    "nat": ["nft", "-j", "list", "table", "ip", "vyos_nat"],
}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9._-]{1,15}")
# option -> (flag, lowest, highest value)
_PING_NUMBERS = {
    "count": ("-c", 1, 1000000),
    "ttl": ("-t", 1, 255),
    "size": ("-s", 0, 65507),
    "deadline": ("-w", 1, 86400),
    "tos": ("-Q", 0, 255),
}
_PING_FLAGS = {
    "do-not-fragment": ["-M", "do"],
    "flood": ["-f"],
    "quiet": ["-q"],
    "numeric": ["-n"],
    "timestamp": ["-D"],
    "adaptive": ["-A"],
}


class BadOption(ValueError):
    """An option that must not reach a program's command line."""


def _host(value: Any) -> str:
    text = str(value)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not _HOST.fullmatch(text):
            raise BadOption(f"bad host: {text}") from None
        return text


def _number(value: Any, low: int, high: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadOption(f"{value} is not between {low} and {high}")
    return str(value)


def _source(value: Any) -> str:
    """An interface's name or an address of the router."""
    text = str(value)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if not _INTERFACE.fullmatch(text) or text.startswith("-"):
            raise BadOption(f"bad interface: {text}") from None
        return text


def _interval(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 3600:
        raise BadOption(f"{value} is not between 0.01 and 3600")
    return f"{value:g}"


def ping(options: dict[str, Any]) -> list[str]:
    """argv of a ping. Raises BadOption; unknown options are bad too."""
    rest = dict(options)
    host = _host(rest.pop("host"))
    argv = ["ping"]
    for name, (flag, low, high) in _PING_NUMBERS.items():
        if name in rest:
            argv += [flag, _number(rest.pop(name), low, high)]
    if "interval" in rest:
        argv += ["-i", _interval(rest.pop("interval"))]
    if "interface" in rest:
        argv += ["-I", _source(rest.pop("interface"))]
    for name, flags in _PING_FLAGS.items():
        if rest.pop(name, False) is True:
            argv += flags
    _nothing(rest)
    return [*argv, "--", host]


def traceroute(options: dict[str, Any]) -> list[str]:
    """argv of a traceroute. Raises BadOption."""
    rest = dict(options)
    host = _host(rest.pop("host"))
    argv = ["traceroute"]
    for name, flag, low, high in (("ttl", "-m", 1, 255), ("port", "-p", 1, 65535), ("first-hop", "-f", 1, 255)):
        if name in rest:
            argv += [flag, _number(rest.pop(name), low, high)]
    for name, flag in (("source-address", "-s"), ("interface", "-i")):
        if name in rest:
            argv += [flag, _source(rest.pop(name))]
    for name, flag in (("icmp", "-I"), ("tcp", "-T"), ("udp", "-U"), ("numeric", "-n")):
        if rest.pop(name, False) is True:
            argv.append(flag)
    _nothing(rest)
    return [*argv, "--", host]


def _nothing(rest: dict[str, Any]) -> None:
    if rest:
        raise BadOption(f"unknown option: {', '.join(sorted(rest))}")


STREAMS = {"ping": ping, "traceroute": traceroute}
