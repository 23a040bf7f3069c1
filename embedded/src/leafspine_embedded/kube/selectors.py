"""Label and field selectors, parsed from their query-string form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from leafspine_embedded.kube.errors import BadRequest
from leafspine_embedded.kube.objects import Object

Predicate = Callable[[Object], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_COMPARE = re.compile(r"^\s*(?P<key>[^\s!=,()<>]+)\s*(?P<op>==|=|!=|>|<)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()<>]+)\s*$")


def _split(text: str) -> list[str]:
    """At commas that are not inside parentheses."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return parts


def _requirement(text: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET.match(text):
        key, wanted = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["op"] == "in":
            return lambda labels: labels.get(key) in wanted
        return lambda labels: key not in labels or labels[key] not in wanted
    if match := _COMPARE.match(text):
        key, op, value = match["key"], match["op"], match["value"]
        if op in {"=", "=="}:
            return lambda labels: labels.get(key) == value
        if op == "!=":
            return lambda labels: labels.get(key) != value
        return _numeric(key, op, value, text)
    if match := _EXISTS.match(text):
        key, absent = match["key"], bool(match["not"])
        return lambda labels: (key in labels) is not absent
    raise BadRequest(f'unable to parse requirement: found "{text.strip()}", expected: !, in, notin, =, ==, !=, gt, lt')


def _numeric(key: str, op: str, value: str, text: str) -> Callable[[Mapping[str, str]], bool]:
    try:
        bound = int(value)
    except ValueError:
        raise BadRequest(
            f"unable to parse requirement: values[0][{key}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
        ) from None

    def compare(labels: Mapping[str, str]) -> bool:
        try:
            have = int(labels.get(key, ""))
        except ValueError:
            return False
        return have > bound if op == ">" else have < bound

    return compare


def labels(text: str) -> Predicate | None:
    """A labelSelector query parameter as a predicate on objects; None when it selects everything."""
    if not text.strip():
        return None
    requirements = [_requirement(part) for part in _split(text)]

    def matches(obj: Object) -> bool:
        have = obj.get("metadata", {}).get("labels") or {}
        return all(requirement(have) for requirement in requirements)

    return matches


def matches_label_selector(selector: Mapping[str, Any] | None, have: Mapping[str, str] | None) -> bool:
    """A LabelSelector object (matchLabels, matchExpressions) against labels. None selects nothing, {} everything."""
    if selector is None:
        return False
    present = have or {}
    if any(present.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(expression, present) for expression in selector.get("matchExpressions") or [])


def _expression(expression: Mapping[str, Any], present: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    if operator == "In":
        return present.get(key) in values
    if operator == "NotIn":
        return key not in present or present[key] not in values
    if operator == "Exists":
        return key in present
    return key not in present


# What the real API indexes per kind; other fields are refused as it refuses them.
_FIELDS = {
    "Pod": {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP"},
    "Node": {"spec.unschedulable"},
    "Namespace": {"status.phase"},
    "Service": {"spec.clusterIP", "spec.type"},
    "Secret": {"type"},
    "Event": {
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion",
        "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    },
}  # fmt: skip


def _field_text(obj: Object, path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return "false" if path in {"spec.unschedulable", "spec.hostNetwork"} else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if path == "source" and isinstance(value, dict):
        return str(value.get("component", ""))
    return str(value)


def fields(text: str, kind: str) -> Predicate | None:
    """A fieldSelector query parameter as a predicate; unknown fields are refused (BadRequest)."""
    if not text.strip():
        return None
    tests: list[tuple[str, bool, str]] = []
    for part in text.split(","):
        match = re.match(r"^\s*([A-Za-z0-9_.]+)\s*(!=|==|=)(.*)$", part)
        if match is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{part}'")
        path, op, value = match[1], match[2], match[3].strip()
        if path not in {"metadata.name", "metadata.namespace"} and path not in _FIELDS.get(kind, set()):
            raise BadRequest(f"field label not supported: {path}")
        tests.append((path, op != "!=", value))
    return lambda obj: all((_field_text(obj, path) == value) is equal for path, equal, value in tests)


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """The conjunction; None when neither selects."""
    if first is None or second is None:
        return first or second
    one, two = first, second
    return lambda obj: one(obj) and two(obj)
