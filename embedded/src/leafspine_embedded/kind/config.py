"""Kind's configuration file (kind.x-k8s.io/v1alpha4), read as strictly as the real tool reads it, with its texts.

What the real tool accepts and the embedded engine does not do is either refused (KindError) or listed in `Config.notes`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from leafspine_embedded.kind import kubeadm
from leafspine_embedded.kind.errors import KindError

API_VERSION = "kind.x-k8s.io/v1alpha4"
DEFAULT_IMAGE = "kindest/node:v1.34.4"
CONTROL_PLANE, WORKER = "control-plane", "worker"
_NAME = re.compile(r"^[a-z0-9.-]+$")
_MOST_NAME = 50  # node names are host names: the longest suffix has to fit into 63 characters
_MINORS = range(19, 37)  # Kubernetes versions for which kind node images were published

# Field types by structure: a name of this table, or [] and {} of one, or str, int, bool.
_TYPES: dict[str, dict[str, str]] = {
    "Cluster": {
        "kind": "str", "apiVersion": "str", "name": "str", "nodes": "[]Node", "networking": "Networking", "featureGates": "{}bool",
        "runtimeConfig": "{}str", "kubeadmConfigPatches": "[]str", "kubeadmConfigPatchesJSON6902": "[]PatchJSON6902",
        "containerdConfigPatches": "[]str", "containerdConfigPatchesJSON6902": "[]str",
    },
    "Node": {
        "role": "str", "image": "str", "labels": "{}str", "extraMounts": "[]Mount", "extraPortMappings": "[]PortMapping",
        "kubeadmConfigPatches": "[]str", "kubeadmConfigPatchesJSON6902": "[]PatchJSON6902",
    },
    "Networking": {
        "ipFamily": "str", "apiServerPort": "int", "apiServerAddress": "str", "podSubnet": "str", "serviceSubnet": "str",
        "disableDefaultCNI": "bool", "kubeProxyMode": "str", "dnsSearch": "[]str",
    },
    "Mount": {"containerPath": "str", "hostPath": "str", "readOnly": "bool", "selinuxRelabel": "bool", "propagation": "str"},
    "PortMapping": {"containerPort": "int", "hostPort": "int", "listenAddress": "str", "protocol": "str"},
    "PatchJSON6902": {"group": "str", "version": "str", "kind": "str", "patch": "str"},
}  # fmt: skip
_GO = {"str": "string", "int": "int32", "bool": "bool"}
_TAGS = {"int": {"tag:yaml.org,2002:int"}, "bool": {"tag:yaml.org,2002:bool"}}


@dataclass(frozen=True)
class NodeConfig:
    """One node as the cluster will have it. node_ip is empty when no patch gives one."""

    name: str
    role: str
    node_ip: str
    labels: tuple[tuple[str, str], ...]
    taints: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Config:
    """A whole, checked configuration. notes: what is accepted and has no effect here, for standard error."""

    name: str
    image: str
    version: str
    pod_subnet: str
    service_subnet: str
    kube_proxy: bool
    nodes: tuple[NodeConfig, ...]
    notes: tuple[str, ...] = field(default=())


def parse(text: str, *, name: str = "", image: str = "") -> Config:
    """A configuration file (empty: kind's defaults). `name` and `image` are the command line's and win. Raises KindError."""
    raw = _decode(text)
    chosen = name or raw.get("name") or "kind"
    _check_name(chosen)
    nodes = [node or {} for node in raw.get("nodes") or [{"role": CONTROL_PLANE}]]
    networking = raw.get("networking") or {}
    problems = [*_networking_problems(networking), *_node_problems(nodes)]
    if problems:
        raise KindError("invalid configuration: " + (problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"))
    used = image or next((node["image"] for node in nodes if node.get("image")), "") or DEFAULT_IMAGE
    version = image_version(used)
    for other in {node["image"] for node in nodes if node.get("image")} if not image else set():
        if image_version(other) != version:
            raise KindError(f"the embedded engine runs one Kubernetes version a cluster; the configuration names {used} and {other}")
    notes = _unsupported(raw, nodes, networking)
    return Config(
        name=chosen,
        image=used,
        version=version,
        pod_subnet=networking.get("podSubnet") or "10.244.0.0/16",
        service_subnet=networking.get("serviceSubnet") or "10.96.0.0/16",
        kube_proxy=networking.get("kubeProxyMode") != "none",
        nodes=tuple(_nodes(chosen, nodes, raw, version, notes)),
        notes=tuple(notes),
    )


def image_version(image: str) -> str:
    """The Kubernetes version of a node image, from its tag. Raises KindError for an image that cannot be one, with the real tool's text."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    match = re.fullmatch(r"v1\.(\d+)\.(\d+)", tag)
    if match is None or int(match[1]) not in _MINORS:
        raise KindError(f'failed to pull image "{image}": command "docker pull {image}" failed with error: exit status 1')
    return tag


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise KindError(f"'{name}' is not a valid cluster name, cluster names must match `^[a-z0-9.-]+$`")
    if len(name) > _MOST_NAME:
        raise KindError(f'cluster name "{name}" is {len(name)} characters long; at most {_MOST_NAME} fit, because nodes are named after it')


# -- decoding


def _decode(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise KindError(f"could not determine kind / apiVersion for config: {_yaml_text(error)}") from None
    if not isinstance(root, yaml.MappingNode):
        raise KindError("could not determine kind / apiVersion for config: yaml: unmarshal errors:\n  line 1: cannot unmarshal into config.typeMeta")
    version, kind = (_text_of(root, key) for key in ("apiVersion", "kind"))
    if version != API_VERSION:
        raise KindError(f"unknown apiVersion: {version}")
    if kind != "Cluster":
        raise KindError(f"unknown kind {kind} for apiVersion: {version}")
    errors: list[str] = []
    value = _value(root, "Cluster", errors)
    if errors:
        raise KindError("unable to decode config: yaml: unmarshal errors:\n" + "\n".join(f"  {error}" for error in errors))
    decoded: dict[str, Any] = value
    return decoded


def _yaml_text(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"yaml: line {mark.line + 1}: {problem}" if mark is not None else f"yaml: {problem}"


def _text_of(root: yaml.MappingNode, key: str) -> str:
    return next((value.value for name, value in root.value if name.value == key and isinstance(value, yaml.ScalarNode)), "")


def _go_type(kind: str) -> str:
    if kind[:2] == "[]":
        return "[]" + _go_type(kind[2:])
    if kind[:2] == "{}":
        return "map[string]" + _go_type(kind[2:])
    return _GO.get(kind) or f"v1alpha4.{kind}"


def _value(node: yaml.Node, kind: str, errors: list[str]) -> Any:
    """The node as a value of the type; what does not fit goes to `errors`."""
    null = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
    if null:
        return None
    if kind[:2] == "[]" and isinstance(node, yaml.SequenceNode):
        return [_value(item, kind[2:], errors) for item in node.value]
    if kind[:2] == "{}" and isinstance(node, yaml.MappingNode):
        return {key.value: _value(item, kind[2:], errors) for key, item in node.value}
    if kind in _TYPES and isinstance(node, yaml.MappingNode):
        return _structure(node, kind, errors)
    if kind in _GO and isinstance(node, yaml.ScalarNode) and (kind == "str" or node.tag in _TAGS[kind]):
        return node.value if kind == "str" else yaml.safe_load(node.value)
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    shown = f" `{node.value[:10]}`" if isinstance(node, yaml.ScalarNode) else ""
    errors.append(f"line {node.start_mark.line + 1}: cannot unmarshal {tag}{shown} into {_go_type(kind)}")
    return None


def _structure(node: yaml.MappingNode, kind: str, errors: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.value in lines:
            errors.append(f'line {line}: mapping key "{key.value}" already defined at line {lines[key.value]}')
        elif key.value not in _TYPES[kind]:
            errors.append(f"line {line}: field {key.value} not found in type v1alpha4.{kind}")
        else:
            made[key.value] = _value(value, _TYPES[kind][key.value], errors)
        lines.setdefault(key.value, line)
    return {key: value for key, value in made.items() if value is not None}


# -- checks


def _networking_problems(networking: dict[str, Any]) -> list[str]:
    found = []
    for field_name, label in (("podSubnet", "pod"), ("serviceSubnet", "service")):
        text = networking.get(field_name)
        if text:
            try:
                network = ipaddress.ip_network(text, strict=False)
            except ValueError:
                found.append(f"invalid {label} subnet invalid CIDR address: {text}")
                continue
            if network.version != 4:
                found.append(f'invalid {label} subnet expected IPv4 CIDR for {label} subnet, got {text}: the embedded engine has ipFamily "ipv4" only')
            elif network.prefixlen > 28:
                found.append(f"invalid {label} subnet {text}: at most /28 leaves room for the cluster")
    mode = networking.get("kubeProxyMode")
    if mode and mode not in {"iptables", "nftables", "none", "ipvs"}:
        found.append(f"invalid kubeProxyMode: {mode}")
    if mode == "ipvs":
        found.append("invalid kubeProxyMode: ipvs is not supported by the embedded engine; iptables and nftables are")
    family = networking.get("ipFamily")
    if family not in {None, "", "ipv4"}:
        known = family in {"ipv6", "dual"}
        found.append(f"invalid ipFamily: {family}" + (": the embedded engine has ipv4 only" if known else ""))
    if not networking.get("disableDefaultCNI"):
        found.append("networking.disableDefaultCNI must be true: the embedded engine has no default CNI (kindnet); install Calico")
    return found


def _node_problems(nodes: list[dict[str, Any]]) -> list[str]:
    found = []
    roles = [node.get("role") or CONTROL_PLANE for node in nodes]
    for index, (node, role) in enumerate(zip(nodes, roles, strict=True)):
        if role not in {CONTROL_PLANE, WORKER}:
            found.append(f'invalid configuration for node {index}: "{role}" is not a valid node role')
        if node.get("extraPortMappings"):
            found.append(f"invalid configuration for node {index}: extraPortMappings are not supported by the embedded engine; reach the node by its address")
    if CONTROL_PLANE not in roles:
        found.append(f"must have at least one {CONTROL_PLANE} node")
    elif roles.count(CONTROL_PLANE) > 1:
        found.append(f"the embedded engine runs exactly one {CONTROL_PLANE} node, not {roles.count(CONTROL_PLANE)}")
    return found


def _unsupported(raw: dict[str, Any], nodes: list[dict[str, Any]], networking: dict[str, Any]) -> list[str]:
    """What is accepted although it has no effect."""
    ignored = [
        name
        for name in ("featureGates", "runtimeConfig", "containerdConfigPatches", "containerdConfigPatchesJSON6902", "kubeadmConfigPatchesJSON6902")
        if raw.get(name)
    ]
    ignored.extend(f"networking.{name}" for name in ("apiServerAddress", "apiServerPort", "dnsSearch") if networking.get(name))
    ignored.extend(f"nodes[{index}].{name}" for index, node in enumerate(nodes) for name in ("extraMounts", "kubeadmConfigPatchesJSON6902") if node.get(name))
    return [f"{name} has no effect in the embedded engine" for name in ignored]


# -- nodes


def _nodes(cluster: str, nodes: list[dict[str, Any]], raw: dict[str, Any], version: str, notes: list[str]) -> list[NodeConfig]:
    made, workers = [], 0
    for node in nodes:
        role = node.get("role") or CONTROL_PLANE
        if role == WORKER:
            workers += 1
        suffix = role if role == CONTROL_PLANE or workers == 1 else f"{role}{workers}"
        patches = [*(raw.get("kubeadmConfigPatches") or []), *(node.get("kubeadmConfigPatches") or [])]
        labels = ",".join(f"{key}={value}" for key, value in (node.get("labels") or {}).items())
        settings = kubeadm.registration(f"{cluster}-{suffix}", role, version, labels, patches)
        notes.extend(settings.notes)
        made.append(NodeConfig(f"{cluster}-{suffix}", role, settings.node_ip, settings.labels, settings.taints))
    return made
