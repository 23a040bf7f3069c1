"""What every intent must fulfil, whatever file it came from: the judge of the tests that invent files."""

from __future__ import annotations

import json
import re
from collections import Counter
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import combinations
from typing import Any

Intent = dict[str, Any]


def inconsistencies(intent: Intent) -> list[str]:
    """Sentences about what does not fit together in an intent; none if it is fine."""
    json.dumps(intent)
    return [*_names(intent), *_links(intent), *_sessions(intent), *_prefixes(intent), *_servers(intent)]


def _twice(what: str, values: list[Any]) -> list[str]:
    return [f"{what} {value} appears {count} times" for value, count in Counter(values).items() if count > 1]


def _names(intent: Intent) -> list[str]:
    hosts = [one["name"] for kind in ("routers", "servers") for one in intent[kind]] + [intent["lab_host"]]
    containers = [one["container"] for one in intent["routers"]] + [one["node"] for one in intent["servers"]]
    on_host = [intent["management"]["bridge"], *(one["name"] for one in intent["bridges"])]
    on_host += [link[end]["interface"] for link in intent["links"] for end in "ab" if link[end]["device"] in {one["name"] for one in intent["bridges"]}]
    found = _twice("host", hosts) + _twice("container", containers) + _twice("interface", on_host)
    found += [f"{name} is too long" for name in on_host if len(name) > 15]
    found += [f"{name} is no host name" for name in hosts if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])", name)]
    for router in intent["routers"]:
        found += _twice(f"{router['name']}:", [one["name"] for one in router["interfaces"]])
    return found


def _links(intent: Intent) -> list[str]:
    """Every end is an interface of its device with that address, inside the link's prefix; no end has two links."""
    found = _twice("end", [(link[end]["device"], link[end]["interface"]) for link in intent["links"] for end in "ab"])
    ports = {(router["name"], one["name"]): one for router in intent["routers"] for one in router["interfaces"]}
    seen = set()
    for link in intent["links"]:
        for end, other in (("a", "b"), ("b", "a")):
            key = (link[end]["device"], link[end]["interface"])
            if link[end]["address"] is not None and IPv4Interface(link[end]["address"]).network != IPv4Network(link["subnet"]):
                found.append(f"{key} is not in {link['subnet']}")
            if key in ports:
                seen.add(key)
                peer = {"device": link[other]["device"], "interface": link[other]["interface"]}
                if ports[key]["address"] != link[end]["address"] or ports[key]["peer"] != peer:
                    found.append(f"{key} differs from its link")
    found += [f"{key} has no link" for key in ports if key not in seen]
    addresses = [link[end]["address"].split("/")[0] for link in intent["links"] for end in "ab" if link[end]["address"]]
    return found + _twice("address", addresses) + _twice("management address", [one["management"]["address"] for one in intent["routers"]])


def _sessions(intent: Intent) -> list[str]:
    """Every eBGP session is known to both ends with each other's address and AS; AS numbers make loops visible."""
    found = _twice("router id", [router["router_id"] for router in intent["routers"]])
    routers = {router["name"]: router for router in intent["routers"]}
    own = {(router["name"], one["address"].split("/")[0]) for router in intent["routers"] for one in router["interfaces"]}
    for router in intent["routers"]:
        if not router["neighbors"] and router["role"] == "spine":
            found.append(f"{router['name']} has no neighbour")
        for one in router["neighbors"]:
            if one["type"] == "ebgp":
                back = [there for there in routers[one["device"]]["neighbors"] if there["session"] == one["session"]]
                if len(back) != 1 or (router["name"], back[0]["address"]) not in own or back[0]["asn"] != router["asn"]:
                    found.append(f"{router['name']}: session {one['session']} is not mutual")
                if one["asn"] == router["asn"]:
                    found.append(f"{router['name']}: eBGP inside AS {one['asn']}")
            elif one["asn"] != router["asn"]:
                found.append(f"{router['name']}: iBGP to AS {one['asn']}")
    leaves = [router["asn"] for router in intent["routers"] if router["role"] == "leaf"]
    return found + _twice("leaf AS", leaves)


def _prefixes(intent: Intent) -> list[str]:
    prefixes = {link["subnet"] for link in intent["links"]} | {rack["subnet"] for rack in intent["racks"]} | {intent["management"]["subnet"]}
    prefixes |= {intent["cluster"][key] for key in ("pod_subnet", "service_subnet", "node_network")}
    networks = sorted(IPv4Network(prefix) for prefix in prefixes)
    return [f"{one} overlaps {other}" for one, other in combinations(networks, 2) if one.overlaps(other)]


def _servers(intent: Intent) -> list[str]:
    found = []
    racks = {rack["name"]: rack for rack in intent["racks"]}
    for server in intent["servers"]:
        network = IPv4Network(racks[server["rack"]]["subnet"])
        address, gateway = IPv4Address(server["address"]), IPv4Address(server["gateway"])
        if address not in network or address in (gateway, network.network_address, network.broadcast_address):
            found.append(f"{server['name']}: {address} is no host of {network}")
        leaf = next(router for router in intent["routers"] if router["name"] == server["leaf"])
        if str(address) not in [one["address"] for one in leaf["neighbors"]]:
            found.append(f"{server['name']} has no session with {leaf['name']}")
    return found
