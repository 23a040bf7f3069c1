"""`inspect`: the nodes of labs as JSON or as a table. Reads only."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any

from ..common import netns, state
from ..vyos import daemons
from . import record
from .record import Record

_COLUMNS = ("Name", "Kind/Image", "State", "IPv4/6 Address")


def nodes(lab: Record) -> list[dict[str, str]]:
    """The lab's containers (nodes whose namespace exists and is finished), in the shape of `inspect --format json`."""
    rows = []
    for name, built in sorted(lab.nodes.items(), key=lambda item: item[1].node.container):
        container = built.node.container
        if not built.node.built_here or built.inode is None or not netns.exists(container):
            continue
        running = not (built.router and daemons.missing(lab.router_dir(name)))
        rows.append(
            {
                "lab_name": lab.name,
                "labPath": os.path.relpath(lab.file),
                "absLabPath": lab.file,
                "name": container,
                "container_id": hashlib.sha256(f"{container}/{built.inode}/{built.started}".encode()).hexdigest()[:12],
                "image": built.node.image,
                "kind": built.node.kind,
                "state": "running" if running else "exited",
                "status": f"{'Up' if running else 'Exited (1)'} {_ago(time.time() - built.started)}{'' if running else ' ago'}",
                "ipv4_address": built.address or "N/A",
                "ipv6_address": "N/A",
            }
        )
    return rows


def labs(name: str | None = None) -> dict[str, list[dict[str, str]]]:
    """Lab name -> its containers; labs without any are left out."""
    found = {}
    for lab in [name] if name is not None else state.list_labs():
        kept = record.read(lab)
        rows = nodes(kept) if kept is not None else []
        if rows:
            found[lab] = rows
    return found


def _ago(seconds: float) -> str:
    """A duration as Docker words it."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    for limit, size, word in ((60, 1, "second"), (3600, 60, "minute"), (172800, 3600, "hour")):
        if whole < limit:
            number = whole // size
            if number == 1 and word != "second":
                return f"About {'an' if word == 'hour' else 'a'} {word}"
            return f"{number} {word}{'' if number == 1 else 's'}"
    return f"{whole // 86400} days"


def as_json(found: dict[str, list[dict[str, str]]]) -> str:
    return json.dumps(found, indent=2)


def as_table(found: dict[str, list[dict[str, str]]], *, with_lab: bool) -> str:
    """The boxed table; with_lab adds the topology's and the lab's name."""
    columns = (("Topology", "Lab Name") if with_lab else ()) + _COLUMNS
    blocks: list[list[tuple[str, ...]]] = []
    for lab, rows in found.items():
        for row in rows:
            address = row["ipv4_address"].split("/")[0]
            first: tuple[str, ...] = (row["name"], row["kind"], row["state"], address)
            second: tuple[str, ...] = ("", row["image"], row["status"] if row["state"] != "running" else "", row["ipv6_address"])
            if with_lab:
                first, second = (row["labPath"], lab, *first), ("", "", *second)
            blocks.append([first, second])
    return _box(columns, blocks)


def _box(columns: tuple[str, ...], blocks: list[list[tuple[str, ...]]]) -> str:
    lines: list[tuple[Any, ...]] = [columns, *(line for block in blocks for line in block)]
    widths = [max(len(line[number]) for line in lines) + 2 for number in range(len(columns))]

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * width for width in widths) + right

    def row(cells: tuple[str, ...], *, centred: bool = False) -> str:
        texts = [cell.center(width) if centred else f" {cell}".ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return "│" + "│".join(texts) + "│"

    out = [rule("╭", "┬", "╮"), row(columns, centred=True)]
    for block in blocks:
        out += [rule("├", "┼", "┤"), *(row(line) for line in block)]
    return "\n".join([*out, rule("╰", "┴", "╯")])
