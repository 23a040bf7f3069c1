"""Operational outputs as VyOS prints them, from the kernel's own data. Pure but for clocks."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

from .section import Section
from .tree import Tree

_STATES = {True: "u", False: "D"}


def table(head: list[str], rows: list[list[str]], right: str = "") -> str:
    """Columns under dashes, two blanks apart, each at least two wider than its title; a cell of several lines makes several lines.

    right: the title of a column that stands at its right edge.
    """
    cells = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max([len(title) + 2, *(len(part) for row in cells for part in row[number])]) for number, title in enumerate(head)]
    pads = [str.rjust if title == right else str.ljust for title in head]
    lines = ["  ".join(pad(title, width) for pad, title, width in zip(pads, head, widths, strict=True))]
    lines.append("  ".join("-" * width for width in widths))
    for row in cells:
        for number in range(max(len(cell) for cell in row)):
            texts = [cell[number] if number < len(cell) else "" for cell in row]
            parts = [pad(text, width) for pad, text, width in zip(pads, texts, widths, strict=True)]
            lines.append("  ".join(parts))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _kind(link: dict[str, Any]) -> str:
    if link["ifname"] == "lo":
        return "loopback"
    return "dummy" if link["ifname"].startswith("dum") else "ethernet"


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", name)]


def _state(link: dict[str, Any]) -> str:
    admin = "UP" in link.get("flags", [])
    if not admin:
        return "A/D"
    return f"u/{'u' if link.get('operstate') == 'UP' or 'LOWER_UP' in link.get('flags', []) else 'D'}"


def interfaces(data: str, name: str | None = None, kind: str | None = None) -> str:
    """`show interfaces`: addresses, MTU and state of each, from `ip -j -d addr`."""
    links = [link for link in json.loads(data or "[]") if (name is None or link["ifname"] == name) and (kind is None or _kind(link) == kind)]
    rows = []
    for link in sorted(links, key=lambda link: _natural(link["ifname"])):
        addresses = [f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", []) if a.get("scope") != "link"]
        mac = link.get("address", "")
        columns = [link["ifname"], "\n".join(addresses) or "-", mac, "default", str(link["mtu"]), _state(link), link.get("ifalias", "")]
        rows.append(columns)
    titles = ["Interface", "IP Address", "MAC", "VRF", "MTU", "S/L", "Description"]
    return "Codes: S - State, L - Link, u - Up, D - Down, A - Admin Down\n" + table(titles, rows, right="MTU")


def interface_detail(text: str, name: str | None, kind: str | None) -> str:
    """`show interfaces ethernet eth1`: what `ip addr` says, then the counters. text: of `ip -d -s addr`."""
    out = []
    for block in re.split(r"(?m)^(?=\d+: )", text):
        title = re.match(r"\d+: ([^:@]+)[:@]", block)
        if title is None or (name is not None and title.group(1) != name):
            continue
        if name is None and kind is not None and _kind({"ifname": title.group(1)}) != kind:
            continue
        out.append(_block(block))
    return "\n".join(out) if out else ""


def _block(block: str) -> str:
    lines = block.rstrip("\n").split("\n")
    head = re.sub(r"^\d+: ", "", lines[0])
    kept = [head, *(line for line in lines[1:] if re.match(r" {4}(link/|inet|alias)| {7}valid_lft", line) and "RX:" not in line)]
    kept = [re.sub(r" (promiscuity|allmulti) .*$", "", line) for line in kept]
    return "\n".join([*kept, "", *_traffic(lines)]) + "\n"


def _traffic(lines: list[str]) -> list[str]:
    """The counters below an interface: both directions in the same columns, as wide as titles and numbers need."""
    titles = {"RX": ["bytes", "packets", "errors", "dropped", "overrun", "mcast"], "TX": ["bytes", "packets", "errors", "dropped", "carrier", "collisions"]}
    numbers = {way: re.findall(r"\d+", lines[index + 1]) for index, line in enumerate(lines) for way in titles if line.strip().startswith(f"{way}:")}
    if len(numbers) != 2:
        return []
    widths = [max(map(len, column)) for column in zip(*titles.values(), *numbers.values(), strict=False)]
    shown = []
    for way, names in titles.items():
        for label, cells in ((f"    {way}:", names), ("       ", numbers[way])):
            shown.append("  ".join([label, *(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))]))
    return shown


def counters(data: str) -> str:
    """`show interfaces counters`, from `ip -j -s link`."""
    rows = []
    for link in sorted(json.loads(data or "[]"), key=lambda link: _natural(link["ifname"])):
        rx, tx = link["stats64"]["rx"], link["stats64"]["tx"]
        rows.append([link["ifname"], *(str(side[key]) for side in (rx, tx) for key in ("packets", "bytes", "dropped", "errors"))])
    titles = [f"{way} {what}" for way in ("Rx", "Tx") for what in ("Packets", "Bytes", "Dropped", "Errors")]
    return table(["Interface", *titles], rows)


def neighbours(data: str, interface: str | None = None) -> str:
    """`show arp`, from `ip -j neigh`."""
    rows = [
        [entry["dst"], entry["dev"], entry.get("lladdr", ""), ",".join(entry.get("state", []))]
        for entry in json.loads(data or "[]")
        if interface is None or entry["dev"] == interface
    ]
    return table(["Address", "Interface", "Link layer address", "State"], rows)


# -- nat -----------------------------------------------------------------------------------


def nat(tree: Tree, side: str, what: str, ruleset: str) -> str:
    """`show nat source|destination rules|statistics|translations`; ruleset: of `nft -j list table`, for statistics."""
    conf = Section(tree, "nat", side)
    rules = [(number, conf.at("rule", number)) for number in conf.keys("rule") if not conf.has("rule", number, "disable")]
    if what == "translations":
        return "Entries not found\n"
    if what == "rules":
        interface, title = ("outbound-interface", "Out-Int") if side == "source" else ("inbound-interface", "In-Int")
        rows = [_nat_row(number, rule, interface) for number, rule in rules]
        return table(["Rule", "Source", "Destination", "Proto", title, "Translation"], rows)
    counts = _nat_counters(ruleset, "SRC" if side == "source" else "DST")
    interface = "outbound-interface name" if side == "source" else "inbound-interface name"
    rows = [[number, *counts.get(number, ("0", "0")), rule.value(interface) or "any"] for number, rule in rules]
    return table(["Rule", "Packets", "Bytes", "Interface"], rows)


def _nat_row(number: str, rule: Section, interface: str) -> list[str]:
    ends = [f"{rule.value(f'{end} address') or '0.0.0.0/0'}\n{end[0]}port {rule.value(f'{end} port') or 'any'}" for end in ("source", "destination")]
    protocol = (rule.value("protocol") or "all").upper()
    target = rule.value("translation address") or ("exclude" if rule.has("exclude") else "")
    port = rule.value("translation port")
    out = rule.value(f"{interface} name") or "any"
    return [number, *ends, "IP" if protocol == "ALL" else protocol, out, f"{target}\nport {port}" if port else target]


def _nat_counters(ruleset: str, label: str) -> dict[str, tuple[str, str]]:
    found = {}
    for item in json.loads(ruleset or '{"nftables": []}')["nftables"]:
        rule = item.get("rule")
        match = re.fullmatch(rf"{label}-NAT-(\d+)", rule.get("comment", "")) if rule else None
        if rule and match:
            for part in rule["expr"]:
                if "counter" in part:
                    found[match.group(1)] = (str(part["counter"]["packets"]), str(part["counter"]["bytes"]))
    return found


# -- clocks ----------------------------------------------------------------------------------


def uptime() -> str:
    """`show system uptime`, of the machine all routers share."""
    seconds = int(float(Path("/proc/uptime").read_text().split()[0]))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    shown = " ".join(f"{value}{unit}" for index, (value, unit) in enumerate(parts) if any(number for number, _ in parts[: index + 1]))
    cores = os.cpu_count() or 1
    loads = [f"{load * 100 / cores:.1f}%" for load in os.getloadavg()]
    return f"Uptime: {shown or '0s'}\n\nLoad averages:\n1  minute:   {loads[0]}\n5  minutes:  {loads[1]}\n15 minutes:  {loads[2]}\n"


def date() -> str:
    return time.strftime("%a %d %b %Y %I:%M:%S %p %Z\n")
