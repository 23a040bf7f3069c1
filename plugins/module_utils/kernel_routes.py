# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kernel's IPv4 routes against the ones it must have. Pure functions over the output of ``ip -j -4 route show``.

A route is described by one text: "via 10.1.10.2 10.1.12.2", "dev eth3", "blackhole". Every destination must have exactly one route;
what nothing explains is a finding too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check

Entry = Mapping[str, Any]
LOOK = "ip -4 route show"


def destination(entry: Entry) -> str:
    """The destination as a prefix: "default", "10.1.5.0/24", "10.96.0.1/32"."""
    text = str(entry["dst"])
    return text if "/" in text or text == "default" else f"{text}/32"


def _usable(hop: Entry) -> bool:
    return not {"dead", "linkdown"} & set(hop.get("flags") or [])


def gateways(entry: Entry) -> set[str]:
    """The next hops that can be used; a dead link's do not count."""
    return {hop["gateway"] for hop in [entry, *(entry.get("nexthops") or [])] if "gateway" in hop and _usable(hop)}


def via(hops: Iterable[str]) -> str:
    """The description of a route through next hops."""
    return " ".join(["via", *sorted(hops)])


def describe(entry: Entry) -> str:
    """What a route does."""
    if entry.get("type") not in (None, "unicast"):
        return str(entry["type"])
    if gateways(entry):
        return via(gateways(entry))
    if "gateway" in entry or any("gateway" in hop for hop in entry.get("nexthops") or []):
        return "no usable next hop"
    if "dev" not in entry:
        return "nothing"
    # A connected route is the kernel's own; a routing daemon's copy in its place is another route.
    daemon = entry.get("protocol") not in (None, "kernel", "boot")
    return f"dev {entry['dev']}" + (f" proto {entry['protocol']}" if daemon else "")


def by_destination(routes: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The routes of each destination."""
    found: dict[str, list[Entry]] = {}
    for entry in routes:
        found.setdefault(destination(entry), []).append(entry)
    return found


def judge(
    where: str,
    expected: Mapping[str, str],
    routes: Iterable[Entry],
    explained: Callable[[str, Entry], bool] = lambda destination, entry: False,
    look: str = LOOK,
) -> list[Check]:
    """A check for every expected destination, and one for every route beside them that ``explained`` does not accept.

    ``expected``: descriptions by destination. ``look``: the command that lists routes at the device.
    """
    table = by_destination(routes)
    checks = []
    for prefix, text in sorted(expected.items()):
        found = [describe(entry) for entry in table.get(prefix, [])]
        shown = " and ".join(found) if found else "no route"
        checks.append(check("kernel route", where, f"route {prefix}", text, shown, f"{look} {prefix}"))
    strangers = [(prefix, entry) for prefix, entries in sorted(table.items()) if prefix not in expected for entry in entries if not explained(prefix, entry)]
    for prefix, entry in strangers:
        # ip leaves the protocol out of a route that was added by hand (boot) unless it is asked for details.
        found_text = f"{describe(entry)} (proto {entry.get('protocol', 'boot')})"
        checks.append(check("unexplained route", where, f"route {prefix}", "no such route", found_text, f"{look} {prefix}", ok=False))
    if not strangers:
        checks.append(check("unexplained route", where, "routes that nothing explains", "none", "none", look))
    return checks
