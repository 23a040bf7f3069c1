"""What a kind cluster shall be and what it is: pure functions for the module kind_cluster.

Names, texts and traps were measured on kind 0.33 with a Kubernetes 1.34 node image.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

API_VERSION = "kind.x-k8s.io/v1alpha4"
ROLES = ("control-plane", "worker")
_NAME = re.compile(r"[a-z0-9.-]+")
_LIST_FORM = re.compile(r"kubeletExtraArgs:[ \t]*\n[ \t]*-")


class BadConfig(ValueError):
    """A name or configuration that kind would refuse; the message names the place, what was found and what is needed."""


def check_name(name: str) -> None:
    """Raises BadConfig for a name that kind refuses."""
    if not _NAME.fullmatch(name):
        raise BadConfig(f"name {name!r} is not a valid cluster name: lower-case letters, digits, dots and hyphens only")


def check_config(config: Any, name: str) -> dict[str, Any]:
    """The configuration as a dictionary, with the parts that this module reads checked; kind judges the rest.

    Raises: BadConfig.
    """
    if not isinstance(config, dict):
        raise BadConfig(f"config must be a dictionary, not {type(config).__name__}")
    if config.get("kind") != "Cluster" or config.get("apiVersion") != API_VERSION:
        raise BadConfig(f"config must have kind: Cluster and apiVersion: {API_VERSION}, not {config.get('kind')!r} and {config.get('apiVersion')!r}")
    if config.get("name", name) != name:
        raise BadConfig(f"config names the cluster {config['name']!r}, the option name says {name!r}")
    nodes = config.get("nodes")
    if nodes is None:
        return config
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise BadConfig("config.nodes must be a list of dictionaries")
    for index, node in enumerate(nodes):
        if node.get("role", ROLES[0]) not in ROLES:
            raise BadConfig(f"config.nodes[{index}].role is {node['role']!r}, it must be one of {', '.join(ROLES)}")
    if nodes and not any(node.get("role", ROLES[0]) == ROLES[0] for node in nodes):
        raise BadConfig("config.nodes has no control-plane")
    return config


def node_names(name: str, config: dict[str, Any]) -> list[str]:
    """The nodes that kind makes of this configuration: <name>-worker, <name>-worker2, ... in the order of the configuration."""
    counts = dict.fromkeys(ROLES, 0)
    result = []
    for node in config.get("nodes") or [{}]:
        role = node.get("role", ROLES[0])
        counts[role] += 1
        result.append(f"{name}-{role}{counts[role] if counts[role] > 1 else ''}")
    return [*result, f"{name}-external-load-balancer"] if counts[ROLES[0]] > 1 else result


def traps(config: dict[str, Any]) -> list[str]:
    """Warnings about forms that kind is known to swallow or to choke on."""
    found = []
    places = [("config", config), *((f"config.nodes[{index}]", node) for index, node in enumerate(config.get("nodes") or []))]
    for place, holder in places:
        for patch in holder.get("kubeadmConfigPatches") or []:
            if isinstance(patch, str) and _LIST_FORM.search(patch):
                newer = "v1beta4" in patch
                what = "is ignored in silence" if newer else "makes the creation fail"
                found.append(f"{place}.kubeadmConfigPatches: kubeletExtraArgs as a list {what} below Kubernetes 1.36: write it as a map, without apiVersion")
    return found


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Where two values differ, one line a place: "nodes[1].image: 'a' -> 'b'"."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            left, right = (items[index] if index < len(items) else None for items in (old, new))
            yield from differences(left, right, f"{place}[{index}]")
    elif old != new:
        yield f"{place}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


class Recipe(NamedTuple):
    """What a cluster is made from; `complete` is False from before its creation until it has been verified."""

    name: str
    config: dict[str, Any]
    image: str = ""
    network: str = ""
    complete: bool = False

    def made_of(self) -> dict[str, Any]:
        return {"image": self.image, "network": self.network, **{key: value for key, value in self.config.items() if key != "name"}}

    @staticmethod
    def from_record(record: Any) -> Recipe:
        """The recipe in a record file. Raises: ValueError when it is none."""
        try:
            return Recipe(**record)
        except TypeError as error:
            raise ValueError(f"not a record of a cluster: {error}") from None


class Plan(NamedTuple):
    """action: none, create or recreate. reasons: why, for people. refused: why a rebuild that is needed may not be done, or empty."""

    action: str
    reasons: list[str]
    refused: str = ""


def plan(wanted: Recipe, made: Recipe | None, nodes: Collection[str], *, recreate: bool, force: bool) -> Plan:
    """What has to be done so that the wanted cluster stands.

    made: the recipe on record, None when there is none. nodes: the nodes that kind lists; none means that there is no cluster.
    """
    if not nodes:
        return Plan("create", ["there is no such cluster"])
    if force:
        return Plan("recreate", ["force_recreate is set"])
    if made is not None and not made.complete:
        return Plan("recreate", ["its creation was interrupted"])
    changed = ["there is no record of the configuration it was made from"] if made is None else list(differences(made.made_of(), wanted.made_of()))
    names = set(node_names(wanted.name, wanted.config))
    if changed:
        if recreate:
            return Plan("recreate", changed)
        return Plan("none", changed, refused=f"cluster {wanted.name} exists, but not as wanted: {'; '.join(changed)}")
    if missing := sorted(names - set(nodes)):
        return Plan("recreate", [f"node {node} is missing" for node in missing])
    if extra := sorted(set(nodes) - names):
        return Plan("none", extra, refused=f"cluster {wanted.name} has nodes that its configuration does not name: {', '.join(extra)}")
    return Plan("none", [])


class Access(NamedTuple):
    """How a kubeconfig reaches its cluster; empty where it says nothing."""

    server: str
    authority: str
    certificate: str
    key: str
    names: frozenset[str]


def read_access(text: str) -> Access:
    """Read a kubeconfig as kind writes it, line by line; the lab host's Python has no YAML reader."""

    def value(key: str) -> str:
        found = re.search(rf"^[ -]*{key}: *[\"']?([^\s\"']+)", text, re.MULTILINE)
        return found[1] if found else ""

    names = re.findall(r"^[ -]*name: *[\"']?([^\s\"']+)", text, re.MULTILINE)
    return Access(value("server"), value("certificate-authority-data"), value("client-certificate-data"), value("client-key-data"), frozenset(names))


_RULES: tuple[tuple[str, str, str], ...] = (
    (
        "no_container_runtime",
        r"Cannot connect to the Docker daemon|permission denied.*docker|docker.*permission denied|failed to list (clusters|nodes)",
        "Start Docker on the lab host and see that this user may use it (docker ps).",
    ),
    (
        "name_taken",
        r"already exist for a cluster with the name",
        "Somebody else made nodes of this name: delete them (kind delete cluster --name ...) or choose another name.",
    ),
    ("bad_name", r"is not a valid cluster name", "Use lower-case letters, digits, dots and hyphens."),
    (
        "bad_config",
        r"unable to decode config|field \S+ not found in type",
        "Look for a misspelt field in config; it must be of apiVersion kind.x-k8s.io/v1alpha4.",
    ),
    (
        "image_missing",
        r"failed to pull image",
        "The node image is not on the host and cannot be pulled: see the name in image, the registry, or load it with docker load.",
    ),
    (
        "bad_patch",
        r"cannot unmarshal array into Go struct field .*kubeletExtraArgs",
        "Write kubeletExtraArgs as a map, without apiVersion, in kubeadmConfigPatches.",
    ),
    (
        "image_not_local",
        r"not present locally",
        "The lab host's Docker does not have this image: build it (images/), load it (docker load), or name one that a registry has.",
    ),
    ("no_such_cluster", r"could not locate any control plane nodes", "There is no such cluster: see kind get clusters."),
    ("not_privileged", r"unable to apply caps|operation not permitted", "kind needs privileged containers, and this host refuses them."),
    (
        "inotify",
        r"too many open files|inotify",
        "Raise fs.inotify.max_user_watches to 524288 and fs.inotify.max_user_instances to 512.",
    ),
    ("disk_full", r"no space left on device", "Make room on the lab host."),
)
_COMPILED = tuple((reason, re.compile(expression, re.IGNORECASE), hint) for reason, expression, hint in _RULES)


def meaning(stderr: str) -> tuple[str, str, str]:
    """(reason, the error's text, what to do) of a failed call of kind."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    start = next((index for index, line in enumerate(lines) if line.startswith("ERROR:")), max(len(lines) - 1, 0))
    error = " ".join(lines[start : start + 4]).removeprefix("ERROR: ") or "kind failed without a word"
    for reason, expression, hint in _COMPILED:
        if expression.search(stderr):
            return reason, error, hint
    return "unknown", error, "Read stderr of this result; export_logs keeps the nodes' logs of a failed creation."
