"""Operational commands that need the box: FRR's through its vty sockets, the kernel's through the helper."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any

from . import logs, optext
from .model import OpUnsupported
from .rpc import Refused
from .vty import VtyError, ask

if TYPE_CHECKING:
    from .service import RouterState

# Beginning of an FRR command -> the one daemon that answers it. Whatever is not here is asked of all daemons, by vtysh.
_DAEMONS = (
    (re.compile(r"show (ip )?bgp( |$)"), "bgpd"),
    (re.compile(r"show (ip|ipv6) (route|nht|fib)( |$)"), "zebra"),
    (re.compile(r"show interface( |$)"), "zebra"),
    (re.compile(r"show bfd( |$)"), "bfdd"),
    (re.compile(r"clear (ip )?bgp "), "bgpd"),
)
_VTYSH = "/usr/bin/vtysh"
_FRR_SHOWS = ("access-list", "as-path-access-list", "bgp", "community-list", "extcommunity-list", "large-community-list", "nht", "prefix-list", "route")
_PING_VALUES = {"count": int, "ttl": int, "size": int, "deadline": int, "tos": int, "interval": float, "interface": str, "source-address": str}
_PING_FLAGS = {"do-not-fragment", "flood", "quiet", "numeric", "adaptive"}
_TRACE_VALUES = {"ttl": int, "port": int, "first-hop": int, "source-address": str, "interface": str}
_TRACE_FLAGS = {"icmp", "tcp", "udp", "numeric"}


def run(router: RouterState, words: list[str]) -> Awaitable[str] | AsyncIterator[str]:
    """The output of a command in full words, whole or (ping, traceroute) in pieces as it comes. Raises OpUnsupported when awaited."""
    if words[0] in ("ping", "traceroute"):
        return _stream(router, words)
    if words[:2] == ["monitor", "log"]:
        return _follow(router)
    if words[0] in ("shell", "monitor"):
        return _program(router, words[0], words[1:] if words[0] == "shell" else words)
    return _whole(router, words)


async def _whole(router: RouterState, words: list[str]) -> str:
    if words[0] == "vtysh":
        return "".join([await _frr(router, command) for command in words[1:]])
    if words[0] == "reset":
        return await _frr(router, _clear(words[1:]))
    if words[0] == "show":
        return await _show(router, words[1:])
    raise OpUnsupported(f"[{' '.join(words)}]")


async def _show(router: RouterState, words: list[str]) -> str:
    first = words[0]
    if first == "ip" and words[1].endswith(("community-list", "as-path-access-list")):
        return await _frr(router, " ".join(["show", "bgp", *words[1:]]))
    if first in ("bgp", "bfd", "route-map") or (first in ("ip", "ipv6") and words[1] in _FRR_SHOWS):
        return await _frr(router, " ".join(["show", *words]))
    if first == "interfaces":
        return await _interfaces(router, words[1:])
    if first == "arp" or words[:2] in (["ip", "neighbors"], ["ipv6", "neighbors"], ["protocols", "static"]):
        what = "neighbours6" if first == "ipv6" else "neighbours"
        return optext.neighbours(await _read(router, what), words[-1] if "interface" in words else None)
    if first == "log":
        return await _log(router, words[1:])
    if first == "nat":
        return optext.nat(router.running, words[1], words[2], await _read_nat(router) if words[2] == "statistics" else "")
    if words == ["system", "uptime"]:
        return optext.uptime()
    if words[:1] == ["date"] or words == ["host", "date"]:
        return optext.date()
    raise OpUnsupported(f"[show {' '.join(words)}]")


async def _log(router: RouterState, words: list[str]) -> str:
    """`show log`, `show log tail [N]`, `show log protocol NAME`."""
    program = None
    if words[:1] == ["protocol"]:
        program = logs.PROTOCOLS.get(words[1])
        if program is None:
            raise OpUnsupported(f"[show log {' '.join(words)}]")
    text = str(await router.channel.call("log", router=router.name, program=program))
    return logs.tail(text, words[1:]) if words[:1] == ["tail"] else text


async def _follow(router: RouterState) -> AsyncIterator[str]:
    """`monitor log`: what FRR's daemons write from now on."""
    rest = ""
    async for piece in router.channel.pieces("run", router=router.name, program="log", options={}):
        whole, newline, rest = (rest + piece).rpartition("\n")
        if newline:
            yield logs.shown(logs.parse(whole), router.hostname)


async def _frr(router: RouterState, command: str) -> str:
    """Output of an FRR command."""
    for pattern, daemon in _DAEMONS:
        if pattern.match(command):
            try:
                return await asyncio.to_thread(ask, router.sockets, daemon, command)
            except VtyError as error:
                if daemon == "bfdd" and not (router.sockets / "bfdd.vty").exists():  # it starts with the first session
                    return "[]\n" if command.endswith(" json") else "BFD Peers:\n"
                return f"{error}\n"
    return await _vtysh(router, command)


async def _vtysh(router: RouterState, command: str) -> str:
    child = await asyncio.create_subprocess_exec(
        _VTYSH,
        *("--vty_socket", str(router.sockets), "--config_dir", str(router.sockets), "-c", command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"VTYSH_PAGER": "cat", "HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
    )
    try:
        async with asyncio.timeout(30):
            output, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    text = output.decode(errors="replace")
    # vtysh adds its own idea of the name: that of the machine all routers share.
    return text.replace(f"\nhostname {os.uname().nodename}\n", "\n") if f"\nhostname {router.hostname}\n" in text else text


def _clear(words: list[str]) -> str:
    """FRR's command for `reset bgp ...` and `reset ip bgp ...`."""
    rest = words[1:] if words[0] == "bgp" else words[2:]
    family = ["ip"] if words[0] == "ip" else []
    return " ".join(["clear", *family, "bgp", *("*" if word == "all" else word for word in rest)])


# -- the kernel's view -------------------------------------------------------------------


async def _read(router: RouterState, what: str) -> str:
    return str(await router.channel.call("read", router=router.name, what=what))


async def _read_nat(router: RouterState) -> str:
    """The NAT table's rules with their counters; "" without a table."""
    try:
        return await _read(router, "nat")
    except Refused as error:
        if error.kind == "tool":
            return ""
        raise


async def _interfaces(router: RouterState, words: list[str]) -> str:
    kind = words[0] if words and words[0] in ("ethernet", "dummy", "loopback") else None
    rest = words[1:] if kind else words
    name = rest[0] if kind and rest else None
    option = rest[-1] if rest and rest[-1] in ("brief", "statistics", "counters", "detail", "summary") and rest[-1] != name else None
    if option == "counters":
        return optext.counters(await _read(router, "counters"))
    if option == "summary":
        raise OpUnsupported("[show interfaces summary]")
    if option in ("detail", "statistics") or (name is not None and option is None):
        return optext.interface_detail(await _read(router, "links"), name, kind)
    return optext.interfaces(await _read(router, "addresses"), name, kind)


# -- ping, traceroute --------------------------------------------------------------------


async def _stream(router: RouterState, words: list[str]) -> AsyncIterator[str]:
    values, flags = (_PING_VALUES, _PING_FLAGS) if words[0] == "ping" else (_TRACE_VALUES, _TRACE_FLAGS)
    try:
        options = _options(words[1], words[2:], values, flags)
    except ValueError as error:
        yield f"\n  Invalid command: {words[0]} {words[1]} [{error}]\n\n"
        return
    rest = ""
    try:
        async for piece in router.channel.pieces("run", router=router.name, program=words[0], options=options):
            whole, newline, rest = (rest + piece).rpartition("\n")  # whole lines: the tools write some in several parts
            if newline:
                yield _unknown_host(words, whole + newline)
        yield rest
    except Refused as error:
        yield f"{words[0]}: {error}\n"


async def _program(router: RouterState, name: str, words: list[str]) -> AsyncIterator[str]:
    """What a program of the shell prints, errors too, as it comes."""
    try:
        async for piece in router.channel.pieces("run", router=router.name, program=name, options={"words": words}):
            yield piece
    except Refused as error:
        yield f"{name}: {error}\n"


def _unknown_host(words: list[str], piece: str) -> str:
    """The tool's words for a name that does not resolve, in VyOS's."""
    if words[0] == "ping" and re.match(r"ping: .*: (Name or service not known|Temporary failure in name resolution|No address associated)", piece):
        return f"ping: Unknown host: {words[1]}\n"
    return piece


def _options(host: str, words: list[str], values: dict[str, Any], flags: set[str]) -> dict[str, Any]:
    """Options as the helper takes them. Raises ValueError with the word that is wrong."""
    found: dict[str, Any] = {"host": host}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        names = [word] if word in values or word in flags else [name for name in [*values, *flags] if name.startswith(word)]
        if len(names) != 1:
            raise ValueError(word)
        name = names[0]
        if name in flags:
            found[name] = True
            continue
        try:
            found[name] = values[name](rest.pop(0))
        except (IndexError, ValueError):
            raise ValueError(word) from None
    if values is _PING_VALUES and "source-address" in found:
        found["interface"] = found.pop("source-address")
    return found
