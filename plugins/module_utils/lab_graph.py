# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fabric as a picture: Graphviz's language, SVG, Mermaid. From the intent alone, or with the state (lab_state) of a running lab.

``dot`` and ``mermaid`` are pure. Colours are classes, so that a page or the SVG's own style sheet chooses them for light and dark:
``up``, ``down``, ``unknown`` of devices and links; ``established``, ``broken``, ``quiet`` of the sessions on them.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

try:
    import pygraphviz

    HAS_GRAPHVIZ = True
except ImportError:
    HAS_GRAPHVIZ = False

Fabric = Mapping[str, Any]
State = Mapping[str, Any]

MISSING = "the Python package pygraphviz is needed on the controller to draw (requirements/report.in); Mermaid and dot need nothing"
FONT = "DejaVu Sans,Verdana,Helvetica,sans-serif"

# Colours of an SVG that stands alone; a page that holds it brings its own.
STYLE = """
svg { --ink: #1c2430; --soft: #5b6675; --line: #8b96a5; --rim: #c3cad4; --halo: #fafbfd; --paper: #ffffff; --box: #f4f6f9; --up: #1a7f4b; --down: #c62828;
  background: var(--paper) }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6eaf0; --soft: #a3afbd; --line: #7c8896; --rim: #3a444f; --halo: #181d23; --paper: #14181d; --box: #1c2229; --up: #4cc38a; --down: #ff6b6b }
}
"""
# What the classes look like, with the variables above.
RULES = """
.fabric text { fill: var(--ink) }
.fabric polygon, .fabric path, .fabric ellipse { stroke: var(--rim); fill: none }
.fabric .graph > polygon { stroke: none }
.fabric .cluster path, .fabric .cluster polygon { fill: var(--box); stroke: var(--rim) }
.fabric .node path, .fabric .node polygon { fill: none; stroke: var(--line) }
.fabric .node .paper { fill: var(--paper); stroke: none }
.fabric .node.up path:not(.paper) { stroke: var(--up) }
.fabric .node.down path:not(.paper) { stroke: var(--down); stroke-dasharray: 4 3 }
.fabric .edge path { stroke: var(--line); stroke-width: 1.6; fill: none }
.fabric .edge.up path { stroke: var(--up) }
.fabric .edge.down path { stroke: var(--down); stroke-width: 2.2; stroke-dasharray: 6 4 }
.fabric .edge.broken path { stroke: var(--down) }
.fabric .edge text { fill: var(--soft); paint-order: stroke; stroke: var(--halo); stroke-width: 4px; stroke-linejoin: round }
.fabric .edge.broken text { fill: var(--down); font-weight: bold }
"""


# --- what is drawn -------------------------------------------------------------------------------------------------------


def _devices(state: State | None) -> dict[str, str]:
    """Class by device; empty without a state."""
    if state is None:
        return {}
    found = {one["name"]: "up" if one["up"] else "down" for one in state["routers"]}
    return found | {one["name"]: "up" if one["ready"] else "down" for one in state["nodes"]}


def _links(fabric: Fabric, state: State | None) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Each link with its state and what is said of the session over it: (link, up | down | unknown, text)."""
    known = {(one["a"], one["b"]): one["state"] for one in (state or {}).get("links", [])}
    sessions = {frozenset((one["router"], one["peer"])): one for one in (state or {}).get("sessions", [])}
    leaves = {server["name"]: server["leaf"] for server in fabric["servers"]}
    for link in fabric["links"]:
        ends = [f"{link[end]['device']} {link[end]['interface']}" for end in "ab"]
        near, far = link["a"]["device"], link["b"]["device"]
        pair = frozenset((near, far)) if link["kind"] == "uplink" else frozenset((leaves.get(far, ""), far))
        kind = {"uplink": "eBGP", "server": "iBGP"}.get(link["kind"], "")
        seen = sessions.get(pair)
        yield link, known.get((ends[0], ends[1]), "unknown"), f"{kind} {seen['state']}" if seen and kind else kind


def _session_class(text: str) -> str:
    if text.endswith(" Established"):
        return "established"
    return "broken" if " " in text and not text.endswith(" unknown") else "quiet"


# --- Graphviz ------------------------------------------------------------------------------------------------------------


def dot(fabric: Fabric, state: State | None = None) -> str:
    """The fabric in Graphviz's language: spines above, every rack a box with its leaves, its segment and its servers."""
    devices = _devices(state)
    lines = [
        "graph fabric {",
        f'  graph [rankdir=TB, ranksep=0.75, nodesep=0.35, splines=line, bgcolor=transparent, fontname="{FONT}", fontsize=12, class=fabric]',
        f'  node [shape=plain, fontname="{FONT}", fontsize=11]',
        f'  edge [fontname="{FONT}", fontsize=9]',
        "  { rank=min",
    ]
    routers = {router["name"]: router for router in fabric["routers"]}
    lines += [f"    {_router(router, devices)}" for router in routers.values() if router["role"] == "spine"]
    lines.append("  }")
    for rack in fabric["racks"]:
        lines.append(f'  subgraph "cluster_{rack["name"]}" {{')
        lines.append(f'    label="{rack["name"]}   AS {rack["asn"]}"; style=rounded; margin=14; labelloc=b; class=rack')
        lines += [f"    {_router(routers[leaf], devices)}" for leaf in rack["leaves"]]
        for bridge in (one for one in fabric["bridges"] if one["rack"] == rack["name"]):
            lines.append(f"    {_node(bridge['name'], _table([[_cell(bridge['name'] + '   ' + rack['subnet'], small=True)]]), '')}")
        lines += [f"    {_server(server, devices)}" for server in fabric["servers"] if server["rack"] == rack["name"]]
        lines.append("  }")
    for link, condition, session in _links(fabric, state):
        upper, lower = (link["b"], link["a"]) if link["kind"] == "uplink" else (link["a"], link["b"])
        shown = f'label=" {session.removesuffix(" Established")} ", ' if session else ""
        where = f"{_port(upper, 's')} -- {_port(lower, 'n')}"
        lines.append(f'  {where} [{shown}class="{condition} {_session_class(session)}", tooltip="{_ends(link)}, {link["subnet"]}: {condition}"]')
    return "\n".join([*lines, "}"])


def _ends(link: Mapping[str, Any]) -> str:
    return f"{link['a']['device']} {link['a']['interface']} - {link['b']['device']} {link['b']['interface']}"


def _port(end: Mapping[str, Any], side: str) -> str:
    """A link's end; bridges have no ports of their own in the picture."""
    return f'"{end["device"]}":"{end["interface"]}":{side}' if end["address"] else f'"{end["device"]}":{side}'


def _cell(text: str, port: str = "", span: int = 1, small: bool = False) -> str:
    size = ' POINT-SIZE="8.5"' if small else ""
    lines = "<BR/>".join(escape(line) for line in text.split("\n"))
    return f'<TD PORT="{port}" COLSPAN="{span}">{f"<FONT{size}>{lines}</FONT>" if size else f"<B>{lines}</B>"}</TD>'


def _table(rows: list[list[str]]) -> str:
    body = "".join(f"<TR>{''.join(row)}</TR>" for row in rows if row)
    return f'<TABLE STYLE="ROUNDED" BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" BGCOLOR="white">{body}</TABLE>'


def _node(name: str, label: str, condition: str) -> str:
    return f'"{name}" [label=<{label}>, class="{condition or "unknown"}", tooltip="{name}"]'


def _router(router: Mapping[str, Any], devices: Mapping[str, str]) -> str:
    """A router: its ports where their links leave it, its name and AS number between them."""
    rows: dict[bool, list[str]] = {True: [], False: []}
    for one in router["interfaces"]:
        rows[one["kind"] == "uplink"].append(_cell(f"{one['name']}\n{one['address'].split('/')[0]}", one["name"], small=True))
    span = max(len(rows[True]), len(rows[False]), 1)
    title = [_cell(f"{router['name']}\nAS {router['asn']}", span=span)]
    # A single port below two above is as wide as both.
    for ports in rows.values():
        if len(ports) == 1 and span > 1:
            ports[0] = ports[0].replace('COLSPAN="1"', f'COLSPAN="{span}"')
    return _node(router["name"], _table([rows[True], title, rows[False]]), devices.get(router["name"], ""))


def _server(server: Mapping[str, Any], devices: Mapping[str, str]) -> str:
    port = _cell(f"{server['interface']}\n{server['address']}", server["interface"], small=True)
    return _node(server["name"], _table([[port], [_cell(server["name"])]]), devices.get(server["name"], ""))


def svg(text: str, alone: bool = True) -> str:
    """A picture of a graph in Graphviz's language as an SVG element; with ``alone`` a file of its own with its colours.

    Raises RuntimeError without the package pygraphviz, or with Graphviz's own words when it cannot draw.
    """
    if not HAS_GRAPHVIZ:
        raise RuntimeError(MISSING)
    with _own_stderr() as said:
        try:
            drawn = pygraphviz.AGraph(string=text).draw(format="svg", prog="dot").decode("utf-8")
        except Exception as error:  # pygraphviz passes on whatever the library says
            raise RuntimeError(f"Graphviz: {error} {said()}".strip()) from error
    drawn = drawn[drawn.index("<svg") :]
    # Graphviz writes its black and white into every element; the classes shall have the say.
    drawn = drawn.replace(' fill="white" stroke="none"', ' class="paper"')
    drawn = re.sub(r' (?:fill|stroke)="(?:black|white|none|transparent|#[0-9a-f]{6})"', "", drawn)
    drawn = re.sub(r"<title>.*?</title>\n?", "", drawn, flags=re.DOTALL)
    style = f"<style>{STYLE if alone else ''}{RULES}</style>"
    head = drawn.index(">") + 1
    opened = drawn[:head].replace(
        "<svg", '<svg class="fabric" role="img" aria-label="The fabric: spines, racks with their leaves and servers, and the links"', 1
    )
    return opened + style + drawn[head:]


@contextlib.contextmanager
def _own_stderr() -> Iterator[Any]:
    """What the C library writes to standard error meanwhile (fontconfig's remarks about the system's files), to be read on demand."""
    with tempfile.TemporaryFile() as aside:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(aside.fileno(), 2)

        def said() -> str:
            aside.seek(0)
            return aside.read().decode(errors="replace").strip()

        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)


# --- Mermaid -------------------------------------------------------------------------------------------------------------


def mermaid(fabric: Fabric, state: State | None = None) -> str:
    """The fabric as a Mermaid flowchart, as Markdown pages show it."""
    devices = _devices(state)
    lines = ["flowchart TB"]
    for router in fabric["routers"]:
        if router["role"] == "spine":
            lines.append(f'  {_id(router["name"])}["{router["name"]}<br/>AS {router["asn"]}"]')
    for rack in fabric["racks"]:
        lines.append(f'  subgraph {_id(rack["name"])}["{rack["name"]}, AS {rack["asn"]}, {rack["subnet"]}"]')
        lines += [f'    {_id(leaf)}["{leaf}"]' for leaf in rack["leaves"]]
        lines += [f'    {_id(one["name"])}(["{one["name"]}"])' for one in fabric["bridges"] if one["rack"] == rack["name"]]
        lines += [f'    {_id(one["name"])}["{one["name"]}<br/>{one["address"]}"]' for one in fabric["servers"] if one["rack"] == rack["name"]]
        lines.append("  end")
    colours: dict[str, list[int]] = {"up": [], "down": []}
    for number, (link, condition, session) in enumerate(_links(fabric, state)):
        upper, lower = (link["b"], link["a"]) if link["kind"] == "uplink" else (link["a"], link["b"])
        ports = f"{upper['interface']} - {lower['interface']}" if link["kind"] == "uplink" else ""
        label = "<br/>".join(part for part in (ports, session) if part)
        lines.append(f"  {_id(upper['device'])} ---{f'|{label}|' if label else ''} {_id(lower['device'])}")
        if condition in colours:
            colours[condition].append(number)
    for condition, (stroke, more) in {"up": ("#1a7f4b", ""), "down": ("#c62828", ",stroke-dasharray:6 4")}.items():
        if colours[condition]:
            lines.append(f"  linkStyle {','.join(map(str, colours[condition]))} stroke:{stroke},stroke-width:2px{more}")
        names = [_id(name) for name, known in devices.items() if known == condition]
        if names:
            lines += [f"  classDef {condition} stroke:{stroke},stroke-width:2px", f"  class {','.join(names)} {condition}"]
    return "\n".join(lines)


def _id(name: str) -> str:
    """A name as an identifier: "end" and the like are words of Mermaid's own."""
    return "d_" + re.sub(r"\W", "_", name)
