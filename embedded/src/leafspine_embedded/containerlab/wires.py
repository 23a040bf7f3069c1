"""Bridges, veth pairs and addresses through netlink. Everything is made in its place under its final name: nothing is renamed or moved."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ..common import netns
from ..common.errors import EngineError
from .model import Endpoint, Link, Management, mac_address
from .wiring import bridge_alias, host_veth

_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x00000017
# What a VyOS router has, and what keeps a namespace quiet: no router advertisements taken, no duplicate address delay.
ROUTER_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/default/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/fib_multipath_hash_policy": "0",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}


def write_sysctls(namespace: str, values: dict[str, str]) -> None:
    """Set sysctls of a namespace; one that this kernel does not have (no IPv6) is left out."""
    with netns.entered(namespace):
        for name, value in values.items():
            with contextlib.suppress(FileNotFoundError):
                Path("/proc/sys", name).write_text(value)


def _transmit_checksums_off(interface: str) -> None:
    """Have the kernel fill in TCP and UDP checksums itself: over a veth nobody else would, and readers of raw packets drop them."""
    value = (ctypes.c_uint32 * 2)(_ETHTOOL_STXCSUM, 0)
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(value)) + b"\0" * 16
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)


class Wires:
    """One netlink connection to the host and one to each namespace that is touched. Use as a context manager."""

    def __init__(self, lab: str) -> None:
        self.lab = lab
        self._stack = contextlib.ExitStack()
        self._routes: dict[str, IPRoute] = {}
        self._files: dict[str, int] = {}

    def __enter__(self) -> Wires:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def route(self, place: str = "") -> IPRoute:
        """The netlink connection of a namespace ("" is the host)."""
        if place not in self._routes:
            with netns.entered(place) if place else contextlib.nullcontext():
                self._routes[place] = self._stack.enter_context(IPRoute())
        return self._routes[place]

    def _file(self, place: str) -> int:
        if place not in self._files:
            descriptor = os.open(netns.path(place) if place else "/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self._stack.callback(os.close, descriptor)
            self._files[place] = descriptor
        return self._files[place]

    def forget(self, place: str) -> None:
        """Drop the connections to a namespace that is about to be made anew: they would keep the old one alive."""
        if place in self._routes:
            self._routes.pop(place).close()
        self._files.pop(place, None)

    def index(self, place: str, name: str) -> int | None:
        """Index of an interface, None when it does not exist."""
        try:
            found = self.route(place).link_lookup(ifname=name)
        except NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise
        return found[0] if found else None

    # -- making ------------------------------------------------------------------

    def loopback(self, place: str) -> None:
        self.route(place).link("set", index=1, state="up")

    def bridge(self, net: Management) -> None:
        """The management bridge with its address, up; nothing is changed on one that is right. It takes part in no forwarding."""
        with _said(f"management bridge {net.bridge}"):
            index = self.index("", net.bridge)
            if index is None:
                self.route().link("add", ifname=net.bridge, kind="bridge", mtu=net.mtu, br_stp_state=0, br_mcast_snooping=0)
                index = self.index("", net.bridge)
                assert index is not None
                self.route().link("set", index=index, ifalias=bridge_alias(self.lab))
            for name, value in (("ipv4", "forwarding:0"), ("ipv6", "disable_ipv6:1")):
                key, _, number = value.partition(":")
                with contextlib.suppress(FileNotFoundError):
                    Path(f"/proc/sys/net/{name}/conf/{net.bridge}/{key}").write_text(number)
            self._only_address(index, net)
            self.route().link("set", index=index, state="up")

    def _only_address(self, index: int, net: Management) -> None:
        present = {(address.get_attr("IFA_LOCAL"), address["prefixlen"]) for address in self.route().get_addr(index=index, family=socket.AF_INET)}
        want = (str(net.gateway), net.subnet.prefixlen)
        for address, length in present - {want}:
            self.route().addr("delete", index=index, address=address, prefixlen=length)
        if want not in present:
            self.route().addr("add", index=index, address=want[0], prefixlen=want[1], broadcast=str(net.subnet.broadcast_address))

    def management(self, node: str, place: str, address: str, net: Management) -> None:
        """eth0 of a node: a veth pair whose host end is a port of the management bridge, with the node's address."""
        end = Endpoint(node, "eth0")
        with _said(str(end)):
            outside = host_veth(self.lab, node)
            self.remove("", outside)
            self.remove(place, "eth0")
            self._pair(("", outside), (place, "eth0"), net.mtu, (None, mac_address(self.lab, end)))
            port = self.index("", outside)
            assert port is not None
            self.route().link("set", index=port, master=self.index("", net.bridge), state="up")
            with contextlib.suppress(FileNotFoundError):
                Path(f"/proc/sys/net/ipv6/conf/{outside}/disable_ipv6").write_text("1")
            inside = self.index(place, "eth0")
            own, _, length = address.partition("/")
            broadcast = str(net.subnet.broadcast_address)
            self.route(place).addr("add", index=inside, address=own, prefixlen=int(length), broadcast=broadcast)
            self.route(place).link("set", index=inside, state="up")

    def link(self, link: Link, places: dict[str, str], bridges: set[str]) -> None:
        """A link of the topology: both ends up, ends at a bridge made its port."""
        with _said(str(link)):
            ends = [(places[end.node], end.interface) for end in link.ends]
            macs = [mac_address(self.lab, end) for end in link.ends]
            self._pair(ends[0], ends[1], link.mtu, (macs[0], macs[1]))
            for end, (place, name) in zip(link.ends, ends, strict=True):
                with netns.entered(place) if place else contextlib.nullcontext():
                    _transmit_checksums_off(name)
                index = self.index(place, name)
                if end.node in bridges:
                    self.route(place).link("set", index=index, master=self.index("", end.node), state="up")
                else:
                    self.route(place).link("set", index=index, state="up")

    def _pair(self, one: tuple[str, str], other: tuple[str, str], mtu: int, macs: tuple[str | None, str | None]) -> None:
        peer: dict[str, object] = {"ifname": other[1], "mtu": mtu, "net_ns_fd": self._file(other[0])}
        main: dict[str, object] = {"ifname": one[1], "mtu": mtu, "net_ns_fd": self._file(one[0])}
        for side, mac in zip((main, peer), macs, strict=True):
            if mac is not None:
                side["address"] = mac
        self.route().link("add", kind="veth", peer=peer, **main)

    # -- removing ----------------------------------------------------------------

    def remove(self, place: str, name: str) -> None:
        """Delete an interface (of a veth: both ends). No error when it or its namespace is not there."""
        if place and not netns.exists(place):
            return
        index = self.index(place, name)
        if index is None:
            return
        try:
            self.route(place).link("delete", index=index)
        except NetlinkError as error:
            if error.code not in (errno.ENODEV, errno.EOPNOTSUPP):
                raise

    def empty(self, place: str) -> None:
        """Delete every interface of a namespace but lo, so that the other ends of its veths go now and not when the kernel gets to it."""
        for link in list(self.route(place).get_links()):
            if link.get_attr("IFLA_IFNAME") != "lo":
                with contextlib.suppress(NetlinkError):
                    self.route(place).link("delete", index=link["index"])


@contextlib.contextmanager
def _said(what: str) -> Iterator[None]:
    """Netlink errors as errors of the thing that was being made."""
    try:
        yield
    except (NetlinkError, OSError) as error:
        raise EngineError(f"{what}: {error}") from error
