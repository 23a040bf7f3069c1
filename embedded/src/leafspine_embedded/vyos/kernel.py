"""Interfaces and sysctls of a router's namespace: read them, and make them what a plan says, by difference.

A target is the whole state of the interfaces that are ours; to go back after a failure the target is what was read before.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..common import netns
from .plan import InterfacePlan, KernelPlan, sysctl_path

TIMEOUT = 20.0
_SYSCTL = re.compile(r"net(\.[A-Za-z0-9_@:-]+)+")


class KernelError(Exception):
    """The kernel, or the tool that speaks to it, refused; the text says what."""


@dataclass(frozen=True)
class State:
    """One interface as it is, or should be. addresses: "10.1.5.1/24", without link-local ones."""

    kind: str
    addresses: frozenset[str] = frozenset()
    mtu: int = 1500
    up: bool = True
    description: str = ""
    mac: str = ""


@dataclass(frozen=True)
class Baseline:
    """What an Ethernet interface has when the configuration says nothing: MTU and address it was made with."""

    mtu: int
    mac: str


@dataclass
class Snapshot:
    """What was read before a change: all interfaces, and the sysctls that the change may write."""

    interfaces: dict[str, State]
    sysctls: dict[str, str] = field(default_factory=dict)


def run(namespace: str, *argv: str, text: str | None = None) -> str:
    """Output of a program run in the namespace. Raises KernelError with what it said."""
    with netns.entered(namespace):
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode != 0:
        raise KernelError((done.stderr.strip() or done.stdout.strip() or f"{argv[0]} failed with {done.returncode}").removeprefix("Error: "))
    return done.stdout


def read(namespace: str) -> dict[str, State]:
    """All interfaces of a namespace. Raises KernelError."""
    found = {}
    for link in json.loads(run(namespace, "ip", "-j", "-d", "addr", "show") or "[]"):
        found[link["ifname"]] = State(
            kind=_kind(link),
            addresses=frozenset(f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", []) if a.get("scope") != "link"),
            mtu=link["mtu"],
            up="UP" in link.get("flags", []),
            description=link.get("ifalias", ""),
            mac=link.get("address", ""),
        )
    return found


def _kind(link: dict[str, Any]) -> str:
    if link["ifname"] == "lo":
        return "loopback"
    return "dummy" if is_dummy(link["ifname"]) else "ethernet"


def is_dummy(name: str) -> bool:
    """By its name, as the path table has it: the device behind it may be of another type (`_create_dummy`)."""
    return re.fullmatch(r"dum\d+", name) is not None


def canonical(address: str) -> str:
    """An address as `ip` writes it."""
    return str(ipaddress.ip_interface(address))


def target(now: dict[str, State], old: KernelPlan | None, new: KernelPlan, baselines: dict[str, Baseline]) -> dict[str, State]:
    """What the interfaces should become: the plan's, while what neither plan names stays (the management address, 127.0.0.1).

    An Ethernet interface that left the configuration loses its addresses and goes down, as in VyOS; a dummy is removed.
    One that was there when it was configured and whose link has gone since is left out, and configured again when it comes back: as on a
    router whose card was pulled. Raises KernelError for an interface that the router never had.
    """
    before = old.interfaces if old is not None else {}
    want = dict(now)
    for name, interface in before.items():
        if name in new.interfaces or name not in now:
            continue
        if interface.kind == "dummy":
            del want[name]
        elif interface.kind == "ethernet":
            want[name] = _merged(now[name], interface, InterfacePlan(name, "ethernet", up=False), baselines.get(name))
        else:
            want[name] = _merged(now[name], interface, InterfacePlan(name, "loopback"), None)
    for name, interface in new.interfaces.items():
        if name not in now and interface.kind != "dummy":
            if name in before:
                continue
            raise KernelError(f'Interface "{name}" does not exist!')
        here = now.get(name, State("dummy", mtu=1500, up=False))
        want[name] = _merged(here, before.get(name), interface, baselines.get(name))
    return want


def _merged(now: State, old: InterfacePlan | None, new: InterfacePlan, baseline: Baseline | None) -> State:
    ours = {canonical(address) for address in (old.addresses if old is not None else [])}
    mtu, mac = new.mtu, new.mac
    if mtu is None:
        mtu = baseline.mtu if baseline is not None else now.mtu
    if mac is None:
        mac = baseline.mac if baseline is not None else now.mac
    return replace(
        now,
        addresses=frozenset((now.addresses - ours) | {canonical(address) for address in new.addresses}),
        mtu=mtu,
        up=new.up,
        description=new.description,
        mac=mac,
    )


def commands(now: dict[str, State], want: dict[str, State]) -> list[str]:
    """Lines for `ip -batch` that lead from one to the other: addresses go before others come, so that they can move between interfaces."""
    removed = [f"link delete dev {name}" for name in now if name not in want]
    links, gone, come, up = [], [], [], []
    for name, state in want.items():
        here = now.get(name)
        if here is None:
            here = State("dummy", up=False, mtu=1500, mac=state.mac)  # as `apply` has just created it
        gone += [f"address delete {address} dev {name}" for address in sorted(here.addresses - state.addresses)]
        come += [_add(address, name) for address in sorted(state.addresses - here.addresses, key=_order)]
        if state.mtu != here.mtu:
            links.append(f"link set dev {name} mtu {state.mtu}")
        if state.mac != here.mac and state.kind == "ethernet":
            links.append(f"link set dev {name} address {state.mac}")
        if state.description != here.description:
            links.append(f"link set dev {name} alias {_quoted(state.description)}")
        if state.up != here.up:
            up.append(f"link set dev {name} {'up' if state.up else 'down'}")
    return [*removed, *gone, *links, *come, *up]


def _order(address: str) -> tuple[int, str]:
    return (4 if "." in address else 6, address)


def _add(address: str, name: str) -> str:
    # Two routers never fight for an address by mistake in a lab whose intent is checked: no seconds of "tentative".
    return f"address add {address} dev {name}" + (" nodad" if ":" in address else " broadcast +")


def _quoted(text: str) -> str:
    """A word for ip's batch reader. The grammar refuses quotes; a backslash stands for itself when doubled."""
    return '"' + text.replace("\\", "\\\\") + '"'


def apply(namespace: str, now: dict[str, State], want: dict[str, State]) -> bool:
    """Make the interfaces what they should be; False when they were. Raises KernelError (some of it may be done then)."""
    for name in want:
        if name not in now:
            _create_dummy(namespace, name, want[name].mac)
    lines = commands(now, want)
    if lines:
        run(namespace, "ip", "-batch", "-", text="\n".join(lines) + "\n")
    return bool(lines)


def _create_dummy(namespace: str, name: str, mac: str) -> None:
    """A dummy interface, with its old address when it comes back after a failed commit.

    On a kernel without that driver the nearest there is: ifb, which has a carrier and delivers nothing either."""
    address = ["address", mac] if mac else []
    try:
        run(namespace, "ip", "link", "add", "dev", name, *address, "type", "dummy")
    except KernelError as error:
        if "Unknown device type" not in str(error):
            raise
        run(namespace, "ip", "link", "add", "dev", name, *address, "mtu", "1500", "type", "ifb")


def sysctl_problem(name: str) -> str | None:
    """Why a sysctl must not be set from a router: only those that belong to its namespace are its own."""
    if not _SYSCTL.fullmatch(name) or ".." in name:
        return f"{name} does not belong to a router of this engine: only net.* does"
    return None


def read_sysctls(namespace: str, names: list[str]) -> dict[str, str]:
    """Present values; names that this kernel does not have are missing."""
    found = {}
    with netns.entered(namespace):
        for name in names:
            with contextlib.suppress(OSError):
                found[name] = " ".join(Path("/proc/sys", sysctl_path(name)).read_text().split())
    return found


def write_sysctls(namespace: str, values: dict[str, str], *, optional: bool = True) -> None:
    """Set what differs, in order. optional: names the kernel does not have are left out. Raises KernelError."""
    with netns.entered(namespace):
        for name, value in values.items():
            problem = sysctl_problem(name)
            if problem is not None:
                raise KernelError(problem)
            path = Path("/proc/sys", sysctl_path(name))
            if not path.exists():
                if optional:
                    continue
                raise KernelError(f"{name}: no such setting in a router's namespace")
            try:
                if path.read_text().split() != value.split():
                    path.write_text(value)
            except OSError as error:
                raise KernelError(f"{name} = {value}: {error.strerror}") from None
