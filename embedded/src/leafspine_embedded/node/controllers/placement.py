"""Which nodes a pod may run on: node selector, required node affinity, taints and tolerations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leafspine_embedded.kube.objects import Object

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_BLOCKING = ("NoSchedule", "NoExecute")


def is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def taints(node: Object) -> list[Mapping[str, Any]]:
    """The node's taints, with those the node controller derives from its state."""
    spec = node.get("spec") or {}
    found: list[Mapping[str, Any]] = list(spec.get("taints") or [])
    for wanted, holds in ((NOT_READY, not is_ready(node)), (UNSCHEDULABLE, bool(spec.get("unschedulable")))):
        if holds and not any(taint["key"] == wanted["key"] and taint.get("effect") == wanted["effect"] for taint in found):
            found.append(wanted)
    return found


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    for toleration in tolerations:
        if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
            continue
        key, exists = toleration.get("key"), toleration.get("operator") == "Exists"
        if not key and exists:
            return True
        if key == taint["key"] and (exists or (toleration.get("value") or "") == (taint.get("value") or "")):
            return True
    return False


def untolerated(node: Object, tolerations: Iterable[Mapping[str, Any]], effects: Iterable[str] = _BLOCKING) -> Mapping[str, Any] | None:
    """The first taint that keeps a pod with these tolerations away; None when none does."""
    allowed, blocking = list(tolerations), set(effects)
    return next((taint for taint in taints(node) if taint.get("effect") in blocking and not tolerates(allowed, taint)), None)


def _expression(expression: Mapping[str, Any], have: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    if operator == "In":
        return have.get(key) in values
    if operator == "NotIn":
        return have.get(key) not in values
    if operator == "Exists":
        return key in have
    if operator == "DoesNotExist":
        return key not in have
    try:
        left, right = int(have.get(key, "")), int(values[0])
    except (ValueError, IndexError):
        return False
    return left > right if operator == "Gt" else left < right


def selected(node: Object, spec: Mapping[str, Any]) -> bool:
    """Whether the pod's nodeSelector and required node affinity match the node."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if affinity is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    for term in affinity.get("nodeSelectorTerms") or []:
        expressions, on_fields = term.get("matchExpressions") or [], term.get("matchFields") or []
        if (expressions or on_fields) and all(_expression(item, labels) for item in expressions) and all(_expression(item, fields) for item in on_fields):
            return True
    return False


def obstacle(node: Object, spec: Mapping[str, Any]) -> str:
    """Why the pod cannot go there, in the scheduler's words; empty when it can."""
    taint = untolerated(node, spec.get("tolerations") or [])
    if taint is not None:
        if taint["key"] == UNSCHEDULABLE["key"]:
            return "node(s) were unschedulable"
        return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}"
    return "" if selected(node, spec) else "node(s) didn't match Pod's node affinity/selector"
