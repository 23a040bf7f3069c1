"""Read and check a topology file: what `containerlab validate` sees. Pure but for reading the file and looking at bind sources.

The error texts are the real tool's (contracts: errors). What the real tool knows and this one does not is refused by name.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.errors import EngineError
from . import yamlfile
from .model import CONFIG_BOOT, DEFAULT_MTU, Endpoint, Link, Management, Node, Topology

SUPPORTED_KINDS = ("linux", "bridge", "ext-container")
_TOP = {"name", "prefix", "mgmt", "topology"}
_TOP_REFUSED = {"settings", "debug"}
_MGMT = {"network", "bridge", "ipv4-subnet", "ipv4-gw", "mtu", "external-access"}
_MGMT_REFUSED = {"ipv6-subnet", "ipv6-gw", "ipv4-range", "ipv6-range", "driver-opts"}
_TOPOLOGY = {"defaults", "kinds", "nodes", "links"}
_TOPOLOGY_REFUSED = {"groups"}
_NODE = {"kind", "image", "image-pull-policy", "cmd", "binds", "env", "exec", "labels", "mgmt-ipv4", "group", "position"}
# fmt: off
_NODE_REFUSED = {
    "type", "startup-config", "startup-delay", "enforce-startup-config", "suppress-startup-config", "auto-remove", "restart-policy",
    "config", "license", "entrypoint", "devices", "cap-add", "shm-size", "ports", "mgmt-ipv6", "publish", "env-files", "user",
    "network-mode", "runtime", "cpu", "cpu-set", "memory", "sysctls", "extras", "stages", "dns", "certificate", "healthcheck", "aliases",
    "components",
}
# fmt: on
_LINK = {"endpoints", "mtu"}
_LINK_REFUSED = {"type", "endpoint", "labels", "vars", "host-interface", "ipv4", "ipv6", "mode"}
# A host whose kernel has everything built in has no such directory; a namespace shares the host's kernel and needs none.
_BINDS_NOT_NEEDED = {"/lib/modules"}


def load(path: str) -> Topology:
    """The validated topology of a file. Raises EngineError."""
    file = Path(path)
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"failed to read topology file: {error}") from None
    return parse(text, given=path, file=file.resolve())


def parse(text: str, *, given: str, file: Path) -> Topology:
    """The validated topology of a YAML text; relative bind sources start at the directory of `file`."""
    data = yamlfile.load(text)
    check = _Keys(text)
    top = check.mapping(data, "the topology file", "core.Config", _TOP, _TOP_REFUSED)
    name = top.get("name")
    if not isinstance(name, str) or not name:
        raise EngineError("missing lab name")
    body = check.mapping(top.get("topology") or {}, "topology", "types.Topology", _TOPOLOGY, _TOPOLOGY_REFUSED)
    nodes = _nodes(check, body, name, str(top.get("prefix", "clab")), file.parent)
    return Topology(
        name=name,
        given=given,
        file=file,
        management=_management(check, top.get("mgmt") or {}),
        nodes=nodes,
        links=_links(check, body.get("links") or [], nodes),
    )


class _Keys:
    """Checks that a mapping has only known keys; knows the text, for line numbers."""

    def __init__(self, text: str) -> None:
        self.text = text

    def mapping(self, data: Any, where: str, type_name: str, known: set[str], refused: set[str]) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise EngineError(f"yaml: unmarshal errors:\n  {where}: cannot unmarshal {type(data).__name__} into {type_name}")
        for key in data:
            if key in known:
                continue
            if key in refused:
                raise EngineError(f'{where}: "{key}" is not supported by the embedded containerlab (supported: {", ".join(sorted(known))})')
            line = yamlfile.line_of(self.text, str(key))
            raise EngineError(f"yaml: unmarshal errors:\n  line {line}: field {key} not found in type {type_name}")
        return dict(data)


def _strings(value: Any, where: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str | int | float) for item in value):
        raise EngineError(f"{where} must be a list of strings")
    return [str(item) for item in value]


def _management(check: _Keys, data: Any) -> Management:
    given = check.mapping(data, "mgmt", "types.MgmtNet", _MGMT, _MGMT_REFUSED)
    if given.get("external-access"):
        raise EngineError("mgmt: external-access: true is not supported: the management bridge of the embedded engine forwards nothing")
    network = str(given.get("network", "clab"))
    bridge = str(given.get("bridge") or f"br-{network}"[:15])
    _interface_name(bridge, "mgmt bridge")
    try:
        subnet = ipaddress.IPv4Network(str(given.get("ipv4-subnet", "172.20.20.0/24")))
        gateway = ipaddress.IPv4Address(str(given["ipv4-gw"])) if given.get("ipv4-gw") else subnet.network_address + 1
    except ValueError as error:
        raise EngineError(f"mgmt: {error}") from None
    if gateway not in subnet:
        raise EngineError(f"mgmt: ipv4-gw {gateway} is not in {subnet}")
    return Management(network, bridge, subnet, gateway, _mtu(given.get("mtu", 1500), "mgmt"))


def _mtu(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 68 <= value <= 65535:
        raise EngineError(f"{where}: mtu {value!r} must be a number from 68 to 65535")
    return value


def _nodes(check: _Keys, body: dict[str, Any], lab: str, prefix: str, directory: Path) -> dict[str, Node]:
    definitions = body.get("nodes")
    if not isinstance(definitions, Mapping) or not definitions:
        raise EngineError("topology: nodes must be a mapping with at least one node")
    defaults = check.mapping(body.get("defaults") or {}, "defaults", "types.NodeDefinition", _NODE, _NODE_REFUSED)
    kinds = body.get("kinds") or {}
    if not isinstance(kinds, Mapping):
        raise EngineError(f"yaml: unmarshal errors:\n  kinds: cannot unmarshal {type(kinds).__name__} into map[string]*types.NodeDefinition")
    nodes = {}
    for name, definition in definitions.items():
        own = check.mapping(definition or {}, f'node "{name}"', "types.NodeDefinition", _NODE, _NODE_REFUSED)
        kind = str(own.get("kind", defaults.get("kind", "")))
        if kind not in SUPPORTED_KINDS:
            supported = ", ".join(SUPPORTED_KINDS)
            raise EngineError(f'node "{name}": kind "{kind}" is not supported. Supported kinds of the embedded containerlab are {supported}')
        of_kind = check.mapping(kinds.get(kind) or {}, f'kind "{kind}"', "types.NodeDefinition", _NODE, _NODE_REFUSED)
        nodes[str(name)] = _node(str(name), kind, _merged(defaults, of_kind, own), lab, prefix, directory)
    _check_addresses(nodes)
    return nodes


def _merged(*layers: dict[str, Any]) -> dict[str, Any]:
    """Later layers win; env and labels merge, binds and exec add up."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if key in ("env", "labels") and isinstance(value, Mapping):
                result[key] = {**result.get(key, {}), **value}
            elif key in ("binds", "exec") and isinstance(value, list):
                result[key] = [*result.get(key, []), *value]
            else:
                result[key] = value
    return result


def _container(name: str, kind: str, lab: str, prefix: str) -> str:
    if kind != "linux" or prefix == "":
        return name
    return f"{lab}-{name}" if prefix == "__lab-name" else f"{prefix}-{lab}-{name}"


def _node(name: str, kind: str, data: dict[str, Any], lab: str, prefix: str, directory: Path) -> Node:
    where = f'node "{name}"'
    environment = data.get("env") or {}
    if not isinstance(environment, Mapping):
        raise EngineError(f"{where}: env must be a mapping")
    node = Node(
        name=name,
        kind=kind,
        container=_container(name, kind, lab, prefix),
        image=str(data.get("image") or ""),
        management_address=str(data.get("mgmt-ipv4") or ""),
        binds=tuple(_bind(bind, directory) for bind in _strings(data.get("binds"), f"{where}: binds")),
        env={str(key): str(value) for key, value in environment.items()},
        exec=tuple(_strings(data.get("exec"), f"{where}: exec")),
    )
    if kind == "bridge":
        _interface_name(name, "bridge")
    if kind != "linux" and (node.management_address or node.binds):
        raise EngineError(f"{where}: kind {kind} has neither mgmt-ipv4 nor binds")
    if kind == "linux" and not node.image:
        raise EngineError(f"{where}: image is missing")
    return node


def _bind(text: str, directory: Path) -> str:
    """The bind with an absolute source. Raises EngineError when the source does not exist."""
    source, colon, target = text.partition(":")
    if not colon or not target.startswith("/"):
        raise EngineError(f"invalid bind {text!r}: source:target[:mode] is needed")
    absolute = Path(os.path.abspath(directory / Path(source).expanduser()))
    if not absolute.exists() and str(absolute) not in _BINDS_NOT_NEEDED:
        raise EngineError(f"Failed to verify bind path: stat {absolute}: no such file or directory")
    if target.split(":")[0] == CONFIG_BOOT and not absolute.is_file():
        raise EngineError(f"{absolute} is bound to {CONFIG_BOOT} and is no file")
    return f"{absolute}:{target}"


def _check_addresses(nodes: dict[str, Node]) -> None:
    seen: dict[str, str] = {}
    for node in nodes.values():
        address = node.management_address
        if not address:
            continue
        try:
            ipaddress.IPv4Address(address)
        except ValueError as error:
            raise EngineError(f'node "{node.name}": mgmt-ipv4: {error}') from None
        if address in seen:
            raise EngineError(f'management address {address} is used by both "{seen[address]}" and "{node.name}"')
        seen[address] = node.name


def _interface_name(name: str, where: str) -> None:
    if not 1 <= len(name) <= 15 or "/" in name or any(character.isspace() for character in name) or name in (".", ".."):
        raise EngineError(f"{where}: interface name {name!r} must have 1 to 15 characters, without blanks and slashes")


def _links(check: _Keys, data: Any, nodes: dict[str, Node]) -> tuple[Link, ...]:
    if not isinstance(data, list):
        raise EngineError("topology: links must be a list")
    links = []
    seen: set[tuple[str, str]] = set()
    for entry in data:
        given = check.mapping(entry, "link", "types.LinkBriefRaw", _LINK, _LINK_REFUSED)
        texts = _strings(given.get("endpoints"), "link: endpoints")
        if len(texts) != 2:
            raise EngineError(f"link {texts}: exactly two endpoints are needed")
        ends = [_endpoint(text, nodes) for text in texts]
        for end in ends:
            # Two nodes of kind bridge share the host's namespace, and with it the interface names.
            place = "" if nodes[end.node].kind == "bridge" else nodes[end.node].container
            if (place, end.interface) in seen:
                raise EngineError(f"Duplicate endpoint {end}")
            seen.add((place, end.interface))
        if all(nodes[end.node].kind == "bridge" for end in ends):
            raise EngineError(f"link {texts}: a link between two bridges is not supported by the embedded containerlab")
        links.append(Link(ends[0], ends[1], _mtu(given.get("mtu", DEFAULT_MTU), f"link {texts}")))
    return tuple(links)


def _endpoint(text: str, nodes: dict[str, Node]) -> Endpoint:
    node, colon, interface = text.partition(":")
    if not colon or not node or not interface or ":" in interface:
        raise EngineError(f"malformed endpoint {text!r}: node:interface is needed")
    if node not in nodes:
        if node in ("host", "mgmt-net", "macvlan", "dummy"):
            raise EngineError(f'endpoint {text!r}: links to "{node}" are not supported by the embedded containerlab')
        raise EngineError(f"Unable to find node {node}.")
    _interface_name(interface, f"endpoint {text}")
    if nodes[node].kind == "linux" and interface == "eth0":
        raise EngineError(f"eth0 interface can't be used in the endpoint definition as it is added by docker automatically: {text}")
    return Endpoint(node, interface)
