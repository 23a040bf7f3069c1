# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a router is in good health after a push: what it had must be back before the push is kept. Pure functions.

``before`` and ``after`` are outputs of ``show bgp summary json`` (FRR's vtysh); anything that is no JSON, as from a router on which BGP
does not run, counts as no session.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check

Peers = Mapping[str, Mapping[str, Any]]

LOOK = "show bgp summary"
POLICY = ("policy", "route-map", "prefix-list", "maximum-prefix")


def peers(text: str) -> Peers:
    """The IPv4 peers of a summary by address."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    found = document.get("ipv4Unicast", {}).get("peers", {}) if isinstance(document, dict) else {}
    return found if isinstance(found, dict) else {}


def taken_away(pushes: Iterable[tuple[Collection[str], str]]) -> int:
    """How many prefixes a neighbour may miss because a run takes them away on purpose. ``pushes``: each router's lines, and its summary before.

    A network that is announced no more is one; a neighbour that is removed takes along at most what it had sent.
    """
    networks, learned = set(), 0
    for lines, before in pushes:
        had = peers(before)
        for words in (line.split() for line in lines):
            if words[:3] == ["delete", "protocols", "bgp"] and words[-2:-1] == ["network"]:
                networks.add(words[-1])
            if words[:4] == ["delete", "protocols", "bgp", "neighbor"] and len(words) == 5:
                learned += int(had.get(words[4].strip("'"), {}).get("pfxRcd") or 0)
    return len(networks) + learned


def gate(
    router: Mapping[str, Any], lines: Collection[str], before: str, after: str, ready: Collection[str] = (), pushes: Iterable[tuple[Collection[str], str]] = ()
) -> list[Check]:
    """Sessions and prefixes that must be there after ``lines`` were pushed.

    ``ready``: names of devices that are configured already; sessions with them must come up even if they are new. Sessions that were
    Established must be so again, with at least as many prefixes as before (with one, when the lines change what is accepted), but for those
    that ``pushes`` of the whole run take away; a neighbour that is neither intended nor configured any more was taken away on purpose.
    """
    name, had, has = router["name"], peers(before), peers(after)
    intended = {neighbor["address"]: neighbor["device"] for neighbor in router["neighbors"]}
    policy = any(word in line.split() for line in lines for word in POLICY)
    taken = taken_away(pushes)
    checks = []
    for address in sorted({*had, *intended}):
        old, new = had.get(address, {}), has.get(address)
        was_up, wanted = old.get("state") == "Established", address in intended
        if not (was_up and (wanted or new is not None)) and not (wanted and intended[address] in ready):
            continue
        who = f"session with {intended.get(address, 'a neighbour of somebody else')} ({address})"
        state = str(new.get("state")) if new is not None else "no such neighbour"
        checks.append(check("session", name, who, "Established", state, LOOK))
        count_before = int(old.get("pfxRcd") or 0)
        least = min(count_before, 1) if policy else max(count_before - taken, min(count_before, 1))
        if was_up and new is not None and state == "Established":
            count = int(new.get("pfxRcd") or 0)
            checks.append(check("session", name, f"prefixes of {address}", f"{least} or more", str(count), f"show bgp neighbors {address}", ok=count >= least))
    return checks
