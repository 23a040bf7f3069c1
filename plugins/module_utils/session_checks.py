# Copyright: (c) The leafspine.calico authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A router's BGP sessions against its intent: state, AS numbers, timers, password, BFD, import filter. Pure functions over FRR's JSON.

Every router is judged for itself, so each session between two routers is judged at both ends. Timers are the negotiated ones. Of a session
that is down only that is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.leafspine.calico.plugins.module_utils.checks import Check, check

Device = dict[str, Any]
Answers = Mapping[str, Any]


def session_checks(router: Device, answers: Answers, down: set[tuple[str, str]], nodes: bool) -> list[Check]:
    """All intended sessions, and neighbours that the intent does not know.

    ``answers``: "sessions" (show bgp summary json), "neighbors" (show bgp neighbors json), "bfd" (text of show bfd peers json).
    ``down``: ports that are down on purpose. ``nodes``: whether sessions with nodes count.
    """
    name, look = router["name"], "show bgp summary"
    unicast = answers["sessions"].get("ipv4Unicast", {})
    peers = unicast.get("peers", {})
    bfd = bfd_peers(answers["bfd"])
    checks = [check("session", name, "AS number", router["asn"], unicast.get("as", "no BGP"), look)]
    for neighbor in router["neighbors"]:
        address, peer = neighbor["address"], peers.get(neighbor["address"])
        what, more = f"session with {neighbor['device']} ({address})", f"show bgp neighbors {address}"
        if neighbor["route_reflector_client"] and not nodes:
            continue
        if peer is None:
            checks.append(check("session", name, what, "Established", "no such neighbour", look))
            continue
        if {(name, neighbor["interface"]), (neighbor["device"], neighbor["peer_interface"])} & down:
            checks.append(check("session", name, what, "not Established, the link is down", peer["state"], more, ok=peer["state"] != "Established"))
            continue
        checks.append(check("session", name, what, "Established", peer["state"], more))
        checks.append(check("session", name, what, f"AS {neighbor['asn']}", f"AS {peer['remoteAs']}", more))
        if peer["state"] == "Established":
            checks += _details(router, neighbor, answers["neighbors"].get(address, {}), bfd.get(address), what)
    strangers = sorted(set(peers) - {neighbor["address"] for neighbor in router["neighbors"]})
    return [*checks, check("session", name, "neighbours that nobody intends", [], strangers, look)]


def _details(router: Device, neighbor: Device, seen: Mapping[str, Any], bfd: Device | None, what: str) -> Iterator[Check]:
    """What an established session uses."""
    name, look = router["name"], f'vtysh -c "show bgp neighbors {neighbor["address"]}"'
    if neighbor["timers"]:
        wanted = _timers(neighbor["timers"]["keepalive"], neighbor["timers"]["holdtime"])
        found = _timers(*(seen.get(key, 0) // 1000 for key in ("bgpTimerKeepAliveIntervalMsecs", "bgpTimerHoldTimeMsecs")))
        yield check("session", name, f"timers of the {what}", wanted, found, look)
    password = "set" if seen.get("authenticationEnabled") else "none"
    yield check("session", name, f"password of the {what}", "set" if neighbor["md5"] else "none", password, look)
    if neighbor["type"] == "ebgp":
        wanted = f"up, {_detection(router['bfd']['multiplier'], *[router['bfd']['interval']] * 2)}" if neighbor["bfd"] else "none"
        yield check("session", name, f"BFD of the {what}", wanted, _bfd_text(bfd), f'vtysh -c "show bfd peer {neighbor["address"]}"')
    if neighbor["filtered"]:
        family = seen.get("addressFamilyInfo", {}).get("ipv4Unicast", {})
        wanted = _filter(router["import_filter"]["name"], router["import_filter"]["maximum_prefix"])
        found = _filter(family.get("routeMapForIncomingAdvertisements"), family.get("prefixAllowedMax"))
        yield check("session", name, f"import filter of the {what}", wanted, found, look)


def _timers(keepalive: int, holdtime: int) -> str:
    return f"keepalive {keepalive} s, hold time {holdtime} s"


def _filter(name: str | None, maximum: int | None) -> str:
    return f"{name or 'none'}, {f'at most {maximum} prefixes' if maximum else 'any number of prefixes'}"


def _detection(multiplier: int, receive: int, transmit: int) -> str:
    return f"{multiplier} x {receive} ms" if receive == transmit else f"{multiplier} x {receive} ms (transmits every {transmit} ms)"


def _bfd_text(peer: Device | None) -> str:
    if peer is None:
        return "none"
    return f"{peer['status']}, {_detection(peer['detect-multiplier'], peer['receive-interval'], peer['transmit-interval'])}"


def bfd_peers(text: str) -> dict[str, Device]:
    """The BFD peers by address in what ``show bfd peers json`` printed; none when bfdd does not run."""
    try:
        return {peer["peer"]: peer for peer in json.loads(text)}
    except (ValueError, TypeError, KeyError):
        return {}


# --- import filters ------------------------------------------------------------------------------------------------------


def filter_checks(router: Device, text: str) -> list[Check]:
    """The prefix-list of the import filter as bgpd has it: FRR can refuse an entry of a configuration that was committed."""
    wanted = router["import_filter"]
    if wanted is None:
        return []
    found = [_entry(one["type"], one["prefix"], one.get("minimumPrefixLength"), one.get("maximumPrefixLength")) for one in prefix_list(text, wanted["name"])]
    expected = [_entry("permit", one["prefix"], one["ge"], one["le"]) for one in wanted["accepted"]]
    look = f'vtysh -c "show ip prefix-list {wanted["name"]}"'
    return [check("session", router["name"], "prefixes that nodes may announce", "; ".join(expected), "; ".join(found), look)]


def _entry(action: str, prefix: str, low: int | None, high: int | None) -> str:
    return " ".join([action, prefix, *([f"ge {low}"] if low else []), *([f"le {high}"] if high else [])])


def prefix_list(text: str, name: str) -> list[Device]:
    """bgpd's entries of a prefix-list in what ``show ip prefix-list json`` printed, one document a daemon."""
    for document in documents(text):
        for daemon, lists in document.items():
            if daemon.startswith("BGP") and name in lists:
                return list(lists[name]["entries"])
    return []


def documents(text: str) -> Iterable[Device]:
    """The JSON objects in a text, whatever stands between them."""
    decoder, position = json.JSONDecoder(), text.find("{")
    while position >= 0:
        try:
            document, end = decoder.raw_decode(text, position)
        except ValueError:
            return
        if isinstance(document, dict):
            yield document
        position = text.find("{", end)
