"""The IPv4 addresses of a network namespace, followed by netlink events. Plain sockets: pyroute2 would cost 10 MB in this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from leafspine_embedded.common import netns

_RTMGRP_IPV4_IFADDR = 0x10
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFA_LOCAL = 2


def parse_addresses(data: bytes) -> tuple[list[str], bool]:
    """Addresses in a piece of an RTM_GETADDR dump, and whether the dump ends with it. Raises OSError for a netlink error."""
    found: list[str] = []
    position = 0
    while position + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, position)
        if length < 16:
            break
        if kind == _NLMSG_DONE:
            return found, True
        if kind == _NLMSG_ERROR:
            raise OSError(-struct.unpack_from("=i", data, position + 16)[0], "RTM_GETADDR")
        if kind == _RTM_NEWADDR:
            found.extend(_local(data[position + 24 : position + length]))
        position += (length + 3) & ~3
    return found, False


def _local(attributes: bytes) -> list[str]:
    position = 0
    while position + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, position)
        if length < 4:
            break
        if kind == _IFA_LOCAL and length == 8:
            return [socket.inet_ntoa(attributes[position + 4 : position + 8])]
        position += (length + 3) & ~3
    return []


class AddressMonitor:
    """Calls `changed` whenever an address comes or goes in a namespace; `addresses()` tells what is there now."""

    def __init__(self, namespace: str, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.inode = netns.inode(namespace)
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        with netns.entered(namespace):
            self._events = socket.socket(socket.AF_NETLINK, kind | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
            self._requests = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._requests.settimeout(1.0)
        self._events.bind((0, _RTMGRP_IPV4_IFADDR))
        asyncio.get_running_loop().add_reader(self._events.fileno(), self._readable)

    def _readable(self) -> None:
        with contextlib.suppress(OSError):  # nothing left to read, or so much that the kernel dropped some: look either way
            while self._events.recv(65536):
                pass
        self._changed()

    def addresses(self) -> set[str]:
        """All IPv4 addresses, loopback's included. Raises OSError."""
        header = struct.pack("=IHHII", 24, _RTM_GETADDR, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
        self._requests.send(header + struct.pack("=BBBBi", socket.AF_INET, 0, 0, 0, 0))
        found: set[str] = set()
        while True:
            part, done = parse_addresses(self._requests.recv(65536))
            found.update(part)
            if done:
                return found

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._events.fileno())
        self._events.close()
        self._requests.close()
