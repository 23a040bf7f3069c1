"""Strategic merge patch: a merge patch that knows which lists are maps by a key (k8s.io/apimachinery/pkg/util/strategicpatch)."""

from __future__ import annotations

from typing import Any

from leafspine_embedded.kube.errors import BadRequest
from leafspine_embedded.kube.objects import clone
from leafspine_embedded.kube.schema import types

# (type, field) -> merge key; an empty key: a list of plain values that is merged as a set. Lists that are not here are replaced as a whole.
MERGE_KEYS: dict[tuple[str, str], str] = {
    ("ObjectMeta", "ownerReferences"): "uid",
    ("ObjectMeta", "finalizers"): "",
    ("PodSpec", "volumes"): "name",
    ("PodSpec", "containers"): "name",
    ("PodSpec", "initContainers"): "name",
    ("PodSpec", "ephemeralContainers"): "name",
    ("PodSpec", "imagePullSecrets"): "name",
    ("PodSpec", "hostAliases"): "ip",
    ("PodSpec", "topologySpreadConstraints"): "topologyKey",
    ("PodSpec", "resourceClaims"): "name",
    ("PodSpec", "schedulingGates"): "name",
    ("Container", "ports"): "containerPort",
    ("Container", "env"): "name",
    ("Container", "volumeMounts"): "mountPath",
    ("Container", "volumeDevices"): "devicePath",
    ("EphemeralContainer", "ports"): "containerPort",
    ("EphemeralContainer", "env"): "name",
    ("EphemeralContainer", "volumeMounts"): "mountPath",
    ("EphemeralContainer", "volumeDevices"): "devicePath",
    ("PodStatus", "conditions"): "type",
    ("PodStatus", "podIPs"): "ip",
    ("PodStatus", "hostIPs"): "ip",
    ("ServiceSpec", "ports"): "port",
    ("ServiceStatus", "conditions"): "type",
    ("ServiceAccount", "secrets"): "name",
    ("NodeSpec", "podCIDRs"): "",
    ("NodeStatus", "conditions"): "type",
    ("NodeStatus", "addresses"): "type",
    ("NamespaceStatus", "conditions"): "type",
    ("DaemonSetStatus", "conditions"): "type",
    ("DeploymentStatus", "conditions"): "type",
    ("ReplicaSetStatus", "conditions"): "type",
}
_SET_ORDER, _DELETE_PLAIN, _RETAIN = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"


def merge(target: Any, patch: dict[str, Any], kind: str) -> dict[str, Any]:
    """`patch` applied to an object of type `kind` (a name of kube/schema.py); both stay as they are. Raises BadRequest."""
    base = target if isinstance(target, dict) else {}
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise BadRequest(f"Unknown patch type found: {directive}")
    result = {key: clone(value) for key, value in base.items() if _RETAIN not in patch or key in patch[_RETAIN]}
    fields = types().get(kind, {})
    for key, value in patch.items():
        if key.startswith(_DELETE_PLAIN):
            name = key.removeprefix(_DELETE_PLAIN)
            if isinstance(result.get(name), list):
                result[name] = [item for item in result[name] if item not in value]
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
            continue
        result[key] = _value(result.get(key), value, fields.get(key, "any").rstrip("!"), (kind, key), patch.get(_SET_ORDER + key))
    for key, order in patch.items():
        # An order without a list of its own only reorders what is there.
        name = key.removeprefix(_SET_ORDER)
        if key.startswith(_SET_ORDER) and name not in patch and isinstance(result.get(name), list) and (kind, name) in MERGE_KEYS:
            result[name] = _ordered(result[name], result[name], order, MERGE_KEYS[(kind, name)])
    return result


def _value(have: Any, value: Any, kind: str, place: tuple[str, str], order: list[Any] | None) -> Any:
    if isinstance(value, dict):
        inner = kind[2:] if kind.startswith("{}") else kind
        if kind.startswith("{}"):
            return _map(have, value, inner)
        return merge(have, value, inner)
    if isinstance(value, list) and place in MERGE_KEYS:
        key = MERGE_KEYS[place]
        merged = _list(have if isinstance(have, list) else [], value, kind[2:], key, place[1])
        return merged if order is None else _ordered(merged, have if isinstance(have, list) else [], order, key)
    return clone(value)


def _map(have: Any, patch: dict[str, Any], inner: str) -> dict[str, Any]:
    """Maps of plain values or structs by name: labels, data, selector."""
    if patch.get("$patch") == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    result = clone(have) if isinstance(have, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif key != "$patch":
            result[key] = merge(result.get(key), value, inner) if isinstance(value, dict) else clone(value)
    return result


def _list(have: list[Any], patch: list[Any], inner: str, key: str, field: str) -> list[Any]:
    if not key:
        return [*clone(have), *(clone(item) for item in patch if item not in have)]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" and len(item) == 1 for item in patch):
        return [clone(item) for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    result = clone(have)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise BadRequest(f"map: {item} does not contain declared merge key: {key}")
        position = next((index for index, entry in enumerate(result) if entry.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [entry for entry in result if entry.get(key) != item[key]]
        elif position is None:
            result.append(merge({}, item, inner))
        else:
            result[position] = merge(result[position], item, inner)
    return result


def _ordered(merged: list[Any], before: list[Any], order: list[Any], key: str) -> list[Any]:
    """The patch's order for what it names; what only the server has keeps its place relative to its neighbours there."""

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    old = [identity(item) for item in before]
    named = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    rest = [item for item in merged if identity(item) not in wanted]
    result: list[Any] = []
    while named and rest:
        first = identity(named[0])
        if first in old and identity(rest[0]) in old and old.index(identity(rest[0])) < old.index(first):
            result.append(rest.pop(0))
        else:
            result.append(named.pop(0))
    return [*result, *named, *rest]
