"""projectcalico.org/v3 resources as plain dictionaries: what they are called, whether two mean the same, how they merge.

Pure functions, used by the module `calicoctl`. What the datastore adds or rewrites was measured on Calico 3.31.
"""

from __future__ import annotations

import copy
import ipaddress
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

API_VERSION = "projectcalico.org/v3"

# Every kind that calicoctl knows, and the short forms people type beside the lower-case singular and plural.
KINDS = (
    "BGPConfiguration", "BGPFilter", "BGPPeer", "BlockAffinity", "CalicoNodeStatus", "ClusterInformation", "FelixConfiguration", "GlobalNetworkPolicy",
    "GlobalNetworkSet", "HostEndpoint", "IPAMConfiguration", "IPPool", "IPReservation", "KubeControllersConfiguration", "NetworkPolicy", "NetworkSet", "Node",
    "Profile", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy", "StagedNetworkPolicy", "Tier", "WorkloadEndpoint",
)  # fmt: skip
_SHORT = {
    "bgpconfig": "BGPConfiguration",
    "felixconfig": "FelixConfiguration",
    "ipamconfig": "IPAMConfiguration",
    "kubecontrollersconfig": "KubeControllersConfiguration",
}
NAMESPACED = {"NetworkPolicy", "NetworkSet", "StagedKubernetesNetworkPolicy", "StagedNetworkPolicy", "WorkloadEndpoint"}

# Metadata that the datastore writes; a resource pasted from `get -o yaml` carries it, stale.
_SERVER_METADATA = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
_KUBE_LABELS = "projectcalico.org/kube-labels"
_SERVER_ANNOTATIONS = (_KUBE_LABELS, "kubectl.kubernetes.io/last-applied-configuration", "projectcalico.org/metadata")
# Parts of a Node that Kubernetes owns when it is the datastore; calicoctl ignores or refuses them there.
_NODE_KUBERNETES_SPEC = ("addresses", "orchRefs")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SECRET_KEY = re.compile(r"(pass(word|phrase)?|secret|token|private_?key|psk)$", re.IGNORECASE)
MASK = "********"


class Identity(NamedTuple):
    """Which resource: its kind as calicoctl spells it, its name, and the namespace of a namespaced kind (else empty)."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind}({self.namespace}/{self.name})" if self.namespace else f"{self.kind}({self.name})"


class BadResource(ValueError):
    """A resource or patch that cannot be what it says; the message names the place, what was found and what is needed."""


def canonical_kind(word: str) -> str:
    """The kind as calicoctl spells it ("bgppeers", "bgpconfig"); an unknown word is returned as it is, calicoctl will judge it."""
    low = word.lower()
    if low in _SHORT or low.removesuffix("s") in _SHORT:
        return _SHORT.get(low) or _SHORT[low.removesuffix("s")]
    for kind in KINDS:
        if low in (kind.lower(), kind.lower() + "s", kind.lower().removesuffix("y") + "ies"):
            return kind
    return word


def identity(kind: str, name: str, namespace: str | None = None) -> Identity:
    """The identity of kind and name; a namespaced kind without a namespace is in `default`, as with calicoctl."""
    kind = canonical_kind(kind)
    return Identity(kind, name, (namespace or "default") if kind in NAMESPACED else "")


def identity_of(resource: dict[str, Any]) -> Identity:
    metadata = resource["metadata"]
    return identity(resource["kind"], metadata["name"], metadata.get("namespace"))


def checked(resource: Any, place: str) -> dict[str, Any]:
    """A wanted resource in full form: apiVersion filled in, kind spelled right, metadata that only the datastore may write left out.

    Raises: BadResource for a shape that is no resource.
    """
    if not isinstance(resource, dict):
        raise BadResource(f"{place}: must be a dictionary with kind and metadata.name, not {type(resource).__name__}")
    result: dict[str, Any] = copy.deepcopy(resource)
    version = result.get("apiVersion", API_VERSION)
    if version != API_VERSION:
        raise BadResource(f"{place}: apiVersion is {version!r}, calicoctl takes {API_VERSION}")
    kind = result.get("kind")
    if not isinstance(kind, str) or not kind:
        raise BadResource(f"{place}: kind is missing; one of {', '.join(KINDS)}")
    metadata = result.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise BadResource(f"{place} ({kind}): metadata.name is missing")
    name = metadata["name"]
    for part in ("spec", "metadata.labels", "metadata.annotations"):
        value = metadata.get(part.removeprefix("metadata.")) if part.startswith("metadata.") else result.get(part)
        if value is not None and not isinstance(value, dict):
            raise BadResource(f"{place} ({kind} {name}): {part} must be a dictionary, not {type(value).__name__}")
    kept = {key: value for key, value in metadata.items() if key not in _SERVER_METADATA}
    if isinstance(kept.get("annotations"), dict):
        kept["annotations"] = {key: value for key, value in kept["annotations"].items() if key not in _SERVER_ANNOTATIONS}
    rest = {key: value for key, value in result.items() if key not in ("apiVersion", "kind", "metadata")}
    full = {"apiVersion": API_VERSION, "kind": canonical_kind(kind), "metadata": kept, **rest}
    if full["kind"] == "BGPConfiguration" and name != "default" and "nodeToNodeMeshEnabled" in (full.get("spec") or {}):
        # `calicoctl validate` accepts this, `apply` does not; found here nothing has been applied yet.
        raise BadResource(f"{place} (BGPConfiguration {name}): nodeToNodeMeshEnabled can only be set on the BGPConfiguration named default")
    return full


def without_duplicates(identities: Iterable[Identity]) -> None:
    """Raises BadResource when one resource is named twice: which of them would win is nobody's guess."""
    seen = set()
    for one in identities:
        if one in seen:
            raise BadResource(f"{one} is listed twice")
        seen.add(one)


def merged(live: Any, wanted: Any) -> Any:
    """`wanted` laid over `live`: dictionaries are merged, everything else is replaced, a null removes the key."""
    if not isinstance(live, dict) or not isinstance(wanted, dict):
        return _without_nulls(wanted)
    result = copy.deepcopy(live)
    for key, value in wanted.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _resource(value: Any) -> dict[str, Any]:
    """A narrowing for the type checker: merging two dictionaries gives one."""
    if not isinstance(value, dict):
        raise AssertionError(value)
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return copy.deepcopy(value)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two resources of one identity mean the same: server metadata, status, defaults and spellings aside."""
    return _comparable(one) == _comparable(other)


def _comparable(resource: dict[str, Any]) -> dict[str, Any]:
    metadata = resource.get("metadata") or {}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in _SERVER_ANNOTATIONS}
    spec = canonical(resource.get("spec") or {})
    for key, value in _defaults(str(resource.get("kind")), spec).items():
        spec.setdefault(key, canonical(value, key))
    return {"labels": metadata.get("labels") or {}, "annotations": annotations, "spec": spec}


def _defaults(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """What the datastore fills in, or leaves out because it is the zero value."""
    if kind == "IPPool":
        return {
            "allowedUses": ["Workload", "Tunnel"],
            "assignmentMode": "Automatic",
            "blockSize": 122 if ":" in str(spec.get("cidr")) else 26,
            "nodeSelector": "all()",
            "ipipMode": "Never",
            "vxlanMode": "Never",
            **dict.fromkeys(("natOutgoing", "disabled", "disableBGPExport"), False),
        }
    if kind == "BGPConfiguration":
        return {"serviceLoadBalancerAggregation": "Enabled"}
    return {"keepOriginalNextHop": False} if kind == "BGPPeer" else {}


def canonical(value: Any, key: str = "") -> Any:
    """One spelling for values that read back differently: AS numbers, durations, addresses; empty parts of a dictionary are dropped."""
    if isinstance(value, dict):
        items = {name: canonical(item, name) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not None and item not in ("", [], {})}
    if isinstance(value, list):
        items_ = [canonical(item) for item in value]
        return sorted(items_, key=str) if key == "allowedUses" else items_
    if key.lower().endswith("asnumber"):
        return _as_number(value)
    return _text(value) if isinstance(value, str) else value


def _as_number(value: Any) -> Any:
    """An AS number as an integer: given as one, as text, or in the dotted form 1.10; anything else stays for calicoctl to refuse."""
    text = str(value)
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"\d{1,5}\.\d{1,5}", text):
        high, low = text.split(".")
        return int(high) * 65536 + int(low)
    return value


def _text(value: str) -> Any:
    if _DURATION.fullmatch(value):
        return ("duration", round(sum(float(number) * _NANOSECONDS[unit] for number, unit in _DURATION_PART.findall(value))))
    if ":" in value and re.fullmatch(r"[0-9A-Fa-f:.]+(/\d+)?", value):
        address, slash, length = value.partition("/")
        try:
            return f"{ipaddress.ip_address(address)}{slash}{length}"
        except ValueError:
            return value
    return value


def applied_form(wanted: dict[str, Any], live: dict[str, Any] | None, *, replace: bool, kubernetes: bool) -> dict[str, Any]:
    """What the resource is to be: `wanted` alone (new, or `replace`), or laid over the live one.

    In the Kubernetes datastore the parts of a Node that Kubernetes owns are taken from the live one, always.
    Raises: BadResource when a label that Kubernetes owns would have to change, or the Node is not there.
    """
    node = kubernetes and wanted["kind"] == "Node"
    if live is None:
        if node:
            raise BadResource(f"{identity_of(wanted)} does not exist: Kubernetes makes the nodes, calicoctl can only set their BGP parts; is the name right?")
        return _resource(_without_nulls(wanted))
    if node:
        return _node_form(wanted, live, replace=replace)
    if not replace:
        return _resource(merged(live, wanted))
    result = _resource(_without_nulls(wanted))
    for key in _SERVER_METADATA:
        if key in live["metadata"]:
            result["metadata"][key] = live["metadata"][key]
    return result


def _kube_labels(live: dict[str, Any]) -> dict[str, Any]:
    """The labels of a Node that are Kubernetes'; all of them when Calico left no note of it."""
    metadata = live["metadata"]
    labels = metadata.get("labels") or {}
    try:
        noted = json.loads((metadata.get("annotations") or {})[_KUBE_LABELS])
    except (KeyError, ValueError):
        return dict(labels)
    return {key: value for key, value in labels.items() if key in noted}


def _node_form(wanted: dict[str, Any], live: dict[str, Any], *, replace: bool) -> dict[str, Any]:
    theirs = _kube_labels(live)
    for key, value in (wanted["metadata"].get("labels") or {}).items():
        if key in theirs and value != theirs[key]:
            raise BadResource(
                f"{identity_of(wanted)}: label {key} is {theirs[key]!r} and {value!r} is wanted; this label is Kubernetes' own: set it with kubectl label"
            )
    spec = {key: value for key, value in (wanted.get("spec") or {}).items() if key not in _NODE_KUBERNETES_SPEC}
    ours = {**wanted, "spec": spec}
    ours.pop("status", None)
    result = _resource(merged(live, ours))
    if replace:
        kept = {key: value for key, value in (live.get("spec") or {}).items() if key in (*_NODE_KUBERNETES_SPEC, "interfaces")}
        result["spec"] = {**_without_nulls(spec), **kept}
        result["metadata"]["labels"] = {**theirs, **(_without_nulls(wanted["metadata"].get("labels")) or {})}
    return result


def document(after: dict[str, Any], *, kubernetes: bool) -> dict[str, Any]:
    """The resource as it is handed to `calicoctl apply`.

    The resource version goes along, so that a change made by others since the `get` is a conflict and not lost; except for a Node in
    Kubernetes, whose version the kubelet moves every few seconds: there only the parts that are Calico's are sent, all of them, for
    `apply` would drop what is left out.
    """
    metadata = after["metadata"]
    if not (kubernetes and after["kind"] == "Node"):
        kept = {key: value for key, value in metadata.items() if key not in _SERVER_METADATA or key == "resourceVersion"}
        return {**after, "metadata": kept}
    theirs = _kube_labels(after)
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in theirs}
    spec = {key: value for key, value in (after.get("spec") or {}).items() if key not in _NODE_KUBERNETES_SPEC}
    status = {key: value for key, value in (after.get("status") or {}).items() if key != "podCIDRs"}
    sent = {"apiVersion": API_VERSION, "kind": "Node", "metadata": {"name": metadata["name"], **({"labels": labels} if labels else {})}, "spec": spec}
    return {**sent, "status": status} if status else sent


def for_reading(resource: dict[str, Any] | None) -> dict[str, Any]:
    """The resource for a diff: without what changes by itself, values of secrets masked; empty when there is none."""
    if resource is None:
        return {}
    metadata = {key: value for key, value in resource["metadata"].items() if key not in _SERVER_METADATA}
    if "annotations" in metadata:
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key not in _SERVER_ANNOTATIONS}
        if not metadata["annotations"]:
            del metadata["annotations"]
    shown: dict[str, Any] = _masked({**resource, "metadata": metadata})
    return shown


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _masked(value[name], name) for name in sorted(value)}
    if isinstance(value, list):
        return [_masked(item, key) for item in value]
    return MASK if isinstance(value, str) and value and _SECRET_KEY.search(key) else value


def find(resources: Iterable[dict[str, Any]], wanted: Identity) -> dict[str, Any] | None:
    """The resource of this identity. A policy of the default tier may come back with the tier in its name."""
    for resource in resources:
        found = identity_of(resource)
        if found == wanted or (wanted.kind.endswith("NetworkPolicy") and found == wanted._replace(name=f"default.{wanted.name}")):
            return resource
    return None


def patch_problem(patch: Any, place: str) -> str | None:
    """Why this patch cannot be predicted and is refused, or None."""
    if not isinstance(patch, dict) or not patch:
        return f"{place}: patch must be a dictionary with at least one key"
    for key, value in patch.items():
        if str(key).startswith("$"):
            return f"{place}: the directive {key} is not supported in a patch; give the whole list, or null to remove a key"
        if isinstance(value, dict) and value and (problem := patch_problem(value, f"{place}.{key}")):
            return problem
    return None


def parse_output(text: str) -> list[dict[str, Any]]:
    """The resources that `calicoctl get -o json` printed: one object, a list of them, a ...List object, or null.

    Raises: ValueError when it is none of these.
    """
    value = json.loads(text) if text.strip() else None
    if isinstance(value, dict) and "items" in value:
        value = value["items"]
    if isinstance(value, dict):
        value = [value]
    result = value or []
    if not isinstance(result, list) or not all(isinstance(item, dict) and "kind" in item for item in result):
        raise ValueError("not a resource, a list of resources or null")
    return result
