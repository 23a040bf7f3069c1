"""What containerlab says and what follows from it: pure functions (containerlab 0.77 and later, as measured with 0.79)."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

# The lists of a `deploy --dry-run -f json` plan that mean work (containerlab 0.77+, `deploy` as a reconcile).
PLAN_LISTS = (
    "added-nodes",
    "deleted-nodes",
    "recreated-nodes",
    "started-nodes",
    "added-links",
    "deleted-endpoints",
    "restarted-nodes",
)

HINTS = (
    (r"image-pull-policy=Never prevents", "load the image on the lab host first (docker load), or name another one in lab_images"),
    (
        r"pull access denied|manifest unknown|repository does not exist|failed to pull image",
        "no registry has this image: build it (images/) or load it (docker load), or name another one in lab_images",
    ),
    (r'Bridge "(?P<name>[^"]+)" referenced in topology but does not exist', "build the bridges first: --tags linux_bridges"),
    (r"is defined via topology but already exists", "a link of an earlier lab was left behind: delete it (ip link delete <name>) or run destroy.yml first"),
    (r"Duplicate endpoint", "two links of fabric.yml end on one interface: see uplinks and servers there"),
    (r"depends on external container", "build the cluster first: --tags kind_cluster"),
    (r"Containers \[.*\] already exist", "another lab holds these names: choose another lab_name or destroy that lab"),
    (r"container network namespace is not available", "a router's container is stopped: docker start it (or set lab_node_start), then run again"),
    (r"Apply does not support nodes with", "this topology cannot be reconciled: set containerlab_server_mode: ext-container, or reconcile: false"),
    (
        r"did not find expected|could not find expected|field \S+ not found in type|already set in map",
        "the topology file was edited by hand, or its template was",
    ),
    (r'kind "[^"]*" is not supported', "see containerlab_router_kind"),
    (r"Unable to find node", "a link names a node that the topology does not have: see links in fabric.yml"),
    (r"Failed to verify bind path", "the file of this bind is gone: run again with --tags containerlab, which writes routers' boot configurations"),
    (
        r"unable to apply caps|operation not permitted",
        "this host refuses privileged containers: set lab_router_options and lab_server_options, for instance {privileged: false, cap-add: [NET_ADMIN]}",
    ),
    (r"Cannot connect to the Docker daemon|permission denied.*docker", "start Docker on the lab host and run as root"),
)


def work_of(plan: dict[str, Any]) -> dict[str, list[Any]]:
    """The non-empty lists of a dry-run plan; a lab that is not deployed yet gives ``{"deployed-lab": [name]}``."""
    work: dict[str, list[Any]] = {key: plan[key] for key in PLAN_LISTS if plan.get(key)}
    if plan.get("deployed-lab"):
        work["deployed-lab"] = [plan.get("lab-name", "")]
    return work


def parse_json(text: str) -> Any:
    """The JSON document of a command's standard output; raises ValueError with the start of the text."""
    start = min((i for i in (text.find("{"), text.find("[")) if i >= 0), default=-1)
    if start < 0:
        raise ValueError(f"no JSON in containerlab's output: {text.strip()[:200]!r}")
    return json.loads(text[start:])


def containers_of(inspect: Any, lab: str) -> dict[str, dict[str, Any]]:
    """``inspect --all`` as a mapping from container name to its entry, for one lab ({} when it is not deployed)."""
    entries = inspect.get(lab, []) if isinstance(inspect, dict) else []
    return {entry["name"]: entry for entry in entries}


def hint_for(text: str) -> str:
    """What to do about an error text, or an empty string. Line breaks within a sentence do not matter: containerlab fits its errors to a terminal."""
    flat = " ".join(text.split())
    for pattern, hint in HINTS:
        if re.search(pattern, flat):
            return hint
    return ""


def error_of(text: str) -> str:
    """What a log says is wrong: the sentence below the box ``ERROR`` that containerlab ends with, else its last line at level ERRO, else the last line."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]
    if "ERROR" in lines:
        last = len(lines) - 1 - lines[::-1].index("ERROR")
        sentence = " ".join(line for line in lines[last + 1 :] if line)
        if sentence:
            return sentence
    told = [line for line in lines if line]
    errors = [line for line in told if re.search(r"\bERRO|Error:|\bFATA", line)]
    chosen = (errors or told or ["no output"])[-1]
    return re.sub(r"^\d\d:\d\d:\d\d ", "", chosen)


def container_name(lab: str, node: str) -> str:
    """Name of the container that containerlab makes for a node."""
    return f"clab-{lab}-{node}"


def own_work(
    lab: str,
    nodes: list[str],
    listed: dict[str, dict[str, Any]],
    *,
    topology_changed: bool,
    orphaned: list[str],
    unlinked: list[str],
) -> dict[str, list[Any]]:
    """What a lab needs that containerlab cannot reconcile, in the shape of ``work_of``; {} when it stands as wanted.

    ``nodes``: those that containerlab makes containers for. ``listed``: ``containers_of`` the lab. ``orphaned``: nodes that no longer share the
    network namespace of the container that they were put into. ``unlinked``: nodes with a link missing. Such a node is restarted; a changed topology
    or a container that is gone needs a new deployment.
    """
    if not listed:
        return {"deployed-lab": [lab]}
    missing = [node for node in nodes if container_name(lab, node) not in listed]
    if topology_changed or missing:
        return {"redeployed-lab": missing or [lab]}
    stopped = [node for node in nodes if listed[container_name(lab, node)].get("state") != "running"]
    repair = sorted({*stopped, *orphaned, *unlinked})
    return {"restarted-nodes": repair} if repair else {}


# nftables keeps it as a rule's comment as well; iptables -S shows both.
FIREWALL_COMMENT = "set by containerlab"


def leftover_rules(rules: list[str], links: list[str]) -> list[list[str]]:
    """Of ``iptables -S`` lines those that containerlab added for these links and leaves behind when it destroys a lab, as words of ``-D``."""
    words = [shlex.split(rule) for rule in rules if FIREWALL_COMMENT in rule]
    return [["-D", *rule[1:]] for rule in words if rule[0] == "-A" and FIREWALL_COMMENT in rule and any(link in rule for link in links)]
