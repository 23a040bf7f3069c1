# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPv4 prefixes, addresses and autonomous system numbers as a fabric file writes them, and how free ones are handed out.

Pure functions on ``ipaddress`` objects. The ``parse_*`` functions raise ``ValueError`` with a text that completes
``<place>: ...``: it names the value that was found and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TypeVar

Name = TypeVar("Name")

MAX_ASN = 4294967294
RESERVED_ASNS = {
    0: "RFC 7607",
    23456: "AS_TRANS, RFC 6793",
    65535: "RFC 7300",
    4294967295: "RFC 7300",
}
ASN_ALLOWED = f"1 - {MAX_ASN} without 23456 and 65535"

# Ranges that no device of a fabric can use as an ordinary unicast address (RFC 6890).
RESERVED_NETWORKS = {
    IPv4Network("0.0.0.0/8"): "'this network'",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved for future use",
}

_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
_NETWORK = re.compile(_ADDRESS.pattern + r"/[0-9]{1,2}")
_TRAILING_NUMBER = re.compile(r"[0-9]{1,9}$")


def shown(value: object, limit: int = 60) -> str:
    """A value from the file, short enough and safe for one line of an error message."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    except RecursionError:
        return "a deeply nested value"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def parse_asn(value: int) -> int:
    """An autonomous system number that VyOS takes and no RFC reserves."""
    if value in RESERVED_ASNS:
        raise ValueError(f"{value} is a reserved AS number ({RESERVED_ASNS[value]}); allowed: {ASN_ALLOWED}")
    if not 1 <= value <= MAX_ASN:
        raise ValueError(f"{shown(value)} is not an AS number; allowed: {ASN_ALLOWED}")
    return value


def parse_address(text: str) -> IPv4Address:
    """An address such as 10.1.5.10."""
    if ":" in text:
        raise ValueError(f"{shown(text)} is not an IPv4 address; IPv6 is not supported; allowed: an address such as 10.1.5.10")
    try:
        if not _ADDRESS.fullmatch(text):
            raise AddressValueError
        address = IPv4Address(text)
    except AddressValueError:
        raise ValueError(f"{shown(text)} is not an IPv4 address; allowed: an address such as 10.1.5.10") from None
    refuse_reserved(IPv4Network(address), text)
    return address


def parse_network(text: str) -> IPv4Network:
    """A prefix such as 10.1.5.0/24, written with its network address."""
    if ":" in text:
        raise ValueError(f"{shown(text)} is not an IPv4 prefix; IPv6 is not supported; allowed: a prefix such as 10.1.5.0/24")
    try:
        if not _NETWORK.fullmatch(text):
            raise ValueError
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{shown(text)} is not an IPv4 prefix; allowed: a prefix such as 10.1.5.0/24") from None
    if str(network.network_address) != text.split("/", maxsplit=1)[0]:
        raise ValueError(f"{text} has host bits set; allowed: the network address, {network}")
    refuse_reserved(network, text)
    return network


def refuse_reserved(network: IPv4Network, text: str) -> None:
    """Raise ValueError for a prefix that touches a range devices cannot use."""
    for reserved, use in RESERVED_NETWORKS.items():
        if network.overlaps(reserved):
            raise ValueError(f"{text} lies in {reserved} ({use}); allowed: ordinary unicast addresses")


def host(network: IPv4Network, number: int) -> IPv4Address:
    """The number-th host of a prefix, from 1; a /31 has two hosts (RFC 3021)."""
    first = network.network_address if network.prefixlen == 31 else network.network_address + 1
    return first + number - 1


def host_range(network: IPv4Network, first: int = 1) -> str:
    """The hosts of a prefix from the first-th on, as a message shows them: 10.1.5.2 - 10.1.5.254."""
    last = network.broadcast_address if network.prefixlen == 31 else network.broadcast_address - 1
    return f"{host(network, first)} - {last}"


def with_length(address: IPv4Address, network: IPv4Network) -> str:
    """An address as interfaces take it: 10.1.5.1/24."""
    return f"{address}/{network.prefixlen}"


def overlaps(networks: Iterable[tuple[Name, IPv4Network]]) -> list[tuple[tuple[Name, IPv4Network], tuple[Name, IPv4Network]]]:
    """Pairs of named prefixes that overlap, each with the widest one around it: [(inner, outer), ...].

    Two prefixes overlap only when one holds the other, so one pass over them in address order is enough.
    """
    found = []
    outer: tuple[Name, IPv4Network] | None = None
    for item in sorted(networks, key=lambda entry: (entry[1].network_address, entry[1].prefixlen)):
        if outer is not None and item[1].network_address <= outer[1].broadcast_address:
            found.append((item, outer))
        else:
            outer = item
    return found


def trailing_number(name: str) -> int | None:
    """The number a name ends in: 12 of leaf12; None of tor-a."""
    match = _TRAILING_NUMBER.search(name)
    return int(match.group()) if match else None


def assign_slots(names: Sequence[str], capacity: int, taken: Iterable[int] = (), wrap: bool = True) -> dict[str, int]:
    """Give each name a slot of its own in 0 .. capacity - 1, so that adding or removing a name moves no other.

    A name that ends in a number takes that slot (leaf7: 7; with ``wrap`` modulo the capacity). Names without a number, or
    whose number is taken, take the lowest free slots in their order. ``taken`` slots are not given. A name for which
    nothing is left is missing in the result.
    """
    used = set(taken)
    slots: dict[str, int] = {}
    for name in names:
        number = trailing_number(name)
        if number is None or capacity < 1 or (number >= capacity and not wrap):
            continue
        if number % capacity not in used:
            slots[name] = number % capacity
            used.add(slots[name])
    free = (slot for slot in range(capacity) if slot not in used)
    for name in names:
        if name not in slots:
            slot = next(free, None)
            if slot is None:
                break
            slots[name] = slot
    return {name: slots[name] for name in names if name in slots}
