# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill's result as a picture: when each flow lost packets, between which steps, and its longest gap beside the bound.

Colours are the page's: the SVG has ``var(--...)`` where matplotlib drew with stand-ins.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

try:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure

    HAS_MATPLOTLIB = True
except ImportError:
    HAS_MATPLOTLIB = False

Drill = Mapping[str, Any]

MISSING = "the Python package matplotlib is needed on the controller to draw (requirements/report.in)"
# Stand-ins for the page's colours.
INK, SOFT, RIM, DOWN, UP, LINE = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
NAMES = {INK: "ink", SOFT: "soft", RIM: "rim", DOWN: "down", UP: "up", LINE: "line"}
MOST_FLOWS = 24  # of the flows that lost something, those with the longest gaps are drawn


def svg(drill: Drill) -> str:
    """The picture as an SVG element, empty for a drill without flows. Raises RuntimeError without the package matplotlib."""
    if not drill["flows"]:
        return ""
    flows, others = rows(drill["flows"])
    if not HAS_MATPLOTLIB:
        raise RuntimeError(MISSING)
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": str(drill["name"]),
        "font.family": "sans-serif",
        "font.size": 8.5,
        "axes.linewidth": 0.6,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(9.6, 1.35 + 0.2 * len(flows)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
        _timeline(left, drill, flows)
        _gaps(right, drill, flows)
        left.set_yticks(range(len(flows)), [*(label(flow) for flow in flows[: len(flows) - bool(others)]), *([others] if others else [])])
        left.set_ylim(len(flows) - 0.5, -0.5)
        for axes in (left, right):
            axes.set_facecolor("none")
            axes.tick_params(colors=SOFT, labelcolor=SOFT, length=2)
            axes.spines[["top", "right"]].set_visible(False)
            axes.spines[["left", "bottom"]].set_color(RIM)
        right.tick_params(labelleft=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub("|".join(NAMES), lambda match: f"var(--{NAMES[match[0]]})", drawn)
    # Ids are the picture's own: several stand on one page.
    mark = re.sub(r"\W", "_", f"{drill['name']}_{drill.get('run', 1)}_")
    drawn = re.sub(r'(id="|url\(#|href="#)', lambda match: f"{match[1]}{mark}", drawn)
    return re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL).replace("<svg", '<svg class="plot" role="img"', 1)


def rows(every: list[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], str]:
    """The flows that get a row each, and, where others share a last one, what is written there."""
    lossy = sorted((flow for flow in every if flow["lost"]), key=lambda flow: (-(flow["longest_gap_ms"] or 0), -flow["lost"]))
    shown, quiet, less = lossy[:MOST_FLOWS], len(every) - len(lossy), len(lossy[MOST_FLOWS:])
    texts = [f"{less} more that lost less"] if less else []
    texts += [f"{quiet} {'more flows' if shown else 'flows'}, nothing lost"] if quiet else []
    return [*shown, *([{"lost": 0, "longest_gap_ms": 0, "outages": []}] if texts else [])], "; ".join(texts)


def label(flow: Mapping[str, Any]) -> str:
    """A flow on one line: protocol, its port where it has one, direction."""
    return " ".join(str(part) for part in (flow["protocol"], flow.get("port"), flow["direction"]) if part)


def _seconds(drill: Drill, at: str | None) -> float | None:
    return None if at is None else (datetime.fromisoformat(at) - datetime.fromisoformat(drill["started"])).total_seconds()


def _timeline(axes: Any, drill: Drill, flows: list[Mapping[str, Any]]) -> None:
    """Time from left to right, a row a flow, red where it lost; steps as lines from top to bottom."""
    end = _seconds(drill, drill["finished"]) or 1.0
    for row, flow in enumerate(flows):
        axes.plot([0, end], [row, row], color=LINE, linewidth=0.8, solid_capstyle="butt")
        gaps = flow.get("outages") or ([{"at": flow["gap_at"], "lost": flow["lost"], "gap_ms": flow["longest_gap_ms"]}] if flow["lost"] else [])
        for gap in (one for one in gaps if one["lost"]):
            begin = _seconds(drill, gap["at"]) or 0.0
            width = (gap.get("gap_ms") or 0) / 1000
            axes.plot([begin, begin + width], [row, row], color=DOWN, linewidth=4, solid_capstyle="butt")
            # A gap of milliseconds in a drill of half a minute is thinner than a line: the mark says that there is one.
            axes.plot([begin], [row], marker="|", color=DOWN, markersize=8, markeredgewidth=1.6)
    for number, step in enumerate(drill["steps"], 1):
        at = _seconds(drill, step["at"]) or 0.0
        axes.axvline(at, color=SOFT, linewidth=0.7, linestyle=(0, (3, 3)))
        axes.annotate(
            str(number), (at, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points", ha="center", color=INK, weight="bold"
        )
    axes.set_xlim(0, end)
    axes.set_xlabel("seconds; numbers are the steps", color=SOFT)


def _gaps(axes: Any, drill: Drill, flows: list[Mapping[str, Any]]) -> None:
    """Longest gap of every flow in ms, and the strictest bound as a line."""
    longest = [flow["longest_gap_ms"] or 0 for flow in flows]
    bounds = [one["bound"]["gap_ms"] for one in drill["bound"] if one["bound"].get("gap_ms") is not None]
    limit = min(bounds) if bounds else None
    # Without a bound for gaps the drill's own verdict counts: there, losing anything is the fault.
    colours = [DOWN if (gap > limit if limit is not None else not drill["holds"]) else UP for gap in longest]
    axes.barh(range(len(flows)), longest, height=0.55, color=colours)
    if limit is not None:
        axes.axvline(limit, color=INK, linewidth=1)
        axes.annotate(f"bound {limit:g}", (limit, 1), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points", ha="center", color=INK)
    axes.set_xlim(0, max([*longest, limit or 0, 1]) * 1.15)
    if not any(longest) and limit is None:
        axes.set_xticks([0])
    axes.set_xlabel("longest gap, ms", color=SOFT)
