"""What kubeadm patches do to a node's registration: kubelet arguments, labels, taints.

Kind renders a kubeadm configuration (v1beta3 below Kubernetes 1.36, v1beta4 from there on) and patches its documents. A patch of another
apiVersion matches no document and is silently ignored: people stumble over that, so it is reproduced (contracts: kubeletExtraArgs).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

import yaml

from leafspine_embedded.kind.errors import KindError
from leafspine_embedded.kube.names import label_key_error, label_value_error

_GROUP = "kubeadm.k8s.io"
_KINDS = {"ClusterConfiguration", "InitConfiguration", "JoinConfiguration"}
_EFFECTS = {"NoSchedule", "PreferNoSchedule", "NoExecute"}
# Labels in Kubernetes' own name space that a kubelet may put on its node (k8s.io/kubernetes/pkg/kubelet/apis/well_known_labels.go).
_ALLOWED_LABELS = {
    "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os", "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os", "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
}  # fmt: skip
_ALLOWED_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


@dataclass(frozen=True)
class Registration:
    """How a node registers itself."""

    node_ip: str
    labels: tuple[tuple[str, str], ...]
    taints: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]


def registration(name: str, role: str, version: str, labels: str, patches: list[str]) -> Registration:
    """A node's registration after its patches; `labels` are kind's own, as `a=b,c=d`. Raises KindError."""
    minor = int(version.split(".")[1])
    document = "InitConfiguration" if role == "control-plane" else "JoinConfiguration"
    newer = minor >= 36
    options: dict[str, Any] = {}
    notes: list[str] = []
    for patch in patches:
        for value in _documents(patch):
            if _matches(value, document, newer):
                _merge(options, value.get("nodeRegistration") or {}, name, role)
    arguments = _arguments(options.get("kubeletExtraArgs"), newer, name, role)
    node_ip = _node_ip(arguments.pop("node-ip", ""), name)
    wanted = _labels(arguments.pop("node-labels", labels), name)
    arguments.pop("provider-id", None)
    notes.extend(f"kubelet argument {key} of {name} has no effect in the embedded engine" for key in arguments)
    return Registration(node_ip, tuple(wanted.items()), _taints(options.get("taints"), role, minor, name), tuple(notes))


def _documents(patch: str) -> list[dict[str, Any]]:
    if not isinstance(patch, str):
        raise KindError("failed to generate kubeadm config content: an entry of kubeadmConfigPatches must be a text")
    try:
        found = [value for value in yaml.safe_load_all(patch) if value is not None]
    except yaml.YAMLError as error:
        raise KindError(f"failed to generate kubeadm config content: cannot parse kubeadmConfigPatches: {error}") from None
    for value in found:
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise KindError("failed to generate kubeadm config content: a kubeadmConfigPatches entry needs a `kind`")
    return found


def _matches(patch: dict[str, Any], document: str, newer: bool) -> bool:
    if patch["kind"] != document:
        return False
    wanted = patch.get("apiVersion")
    return not wanted or wanted == f"{_GROUP}/{'v1beta4' if newer else 'v1beta3'}"


def _merge(options: dict[str, Any], patch: dict[str, Any], name: str, role: str) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(options.get(key), dict):
            options[key] = {**options[key], **value}
        else:
            options[key] = value


def _failure(name: str, role: str, text: str) -> KindError:
    step = "failed to init node with kubeadm" if role == "control-plane" else "failed to join node with kubeadm"
    verb = "init" if role == "control-plane" else "join"
    command = f"docker exec --privileged {name} kubeadm {verb} --config=/kind/kubeadm.conf --skip-token-print --v=6"
    return KindError(f'{step}: command "{command}" failed with error: exit status 1\nCommand Output: error: {text}')


def _arguments(value: Any, newer: bool, name: str, role: str) -> dict[str, str]:
    """kubeletExtraArgs as a map. Raises KindError for the form that this version does not take."""
    if value is None:
        return {}
    place = "Go struct field NodeRegistrationOptions.nodeRegistration.kubeletExtraArgs"
    if newer:
        if not isinstance(value, list):
            raise _failure(name, role, f"json: cannot unmarshal object into {place} of type []v1beta4.Arg")
        return {str(entry.get("name")): str(entry.get("value", "")) for entry in value if isinstance(entry, dict)}
    if isinstance(value, list):
        raise _failure(name, role, f"json: cannot unmarshal array into {place} of type map[string]string")
    if not isinstance(value, dict):
        raise _failure(name, role, f"json: cannot unmarshal string into {place} of type map[string]string")
    for item in value.values():
        if not isinstance(item, str):
            found = "bool" if isinstance(item, bool) else "number" if isinstance(item, int | float) else "object"
            raise _failure(name, role, f"json: cannot unmarshal {found} into {place} of type string")
    return dict(value)


def _node_ip(text: str, name: str) -> str:
    if not text:
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise KindError(f'{name}: kubelet argument node-ip: "{text}" is not an IP address') from None
    if address.version != 4:
        raise KindError(f"{name}: kubelet argument node-ip: {text}: the embedded engine has IPv4 only")
    return str(address)


def _labels(text: str, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    unknown = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or label_key_error(key) or label_value_error(value):
            raise KindError(
                f'{name}: kubelet argument node-labels: "{part}" is not a label: {label_key_error(key) or label_value_error(value) or "key=value is needed"}'
            )
        domain = key.rpartition("/")[0]
        reserved = domain in {"kubernetes.io", "k8s.io"} or domain.endswith((".kubernetes.io", ".k8s.io"))
        if reserved and key not in _ALLOWED_LABELS and not any(domain == allowed or domain.endswith("." + allowed) for allowed in _ALLOWED_DOMAINS):
            unknown.append(key)
        found[key] = value
    if unknown:
        raise KindError(f"{name}: kubelet: unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [{' '.join(sorted(unknown))}]")
    return found


def _taints(value: Any, role: str, minor: int, name: str) -> tuple[tuple[str, str, str], ...]:
    """nodeRegistration.taints; without one a control plane gets its own."""
    if value is None:
        if role != "control-plane":
            return ()
        return (("node-role.kubernetes.io/control-plane" if minor >= 24 else "node-role.kubernetes.io/master", "", "NoSchedule"),)
    if not isinstance(value, list) or not all(isinstance(entry, dict) and entry.get("key") and entry.get("effect") in _EFFECTS for entry in value):
        raise KindError(f"{name}: nodeRegistration.taints: a list of key, value, effect is needed; effect is one of {', '.join(sorted(_EFFECTS))}")
    return tuple((str(entry["key"]), str(entry.get("value") or ""), str(entry["effect"])) for entry in value)
