"""What the controllers that make pods share: template hashes, making a pod from a template, what counts as ready and available. Mostly pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from leafspine_embedded.kube.objects import Object, clone, now, owner_reference, parse_time

_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words


def template_hash(template: Mapping[str, Any]) -> str:
    """Ten characters that change with the template; equal templates have equal hashes."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True, separators=(",", ":")).encode()).digest()
    return "".join(_SAFE[byte % len(_SAFE)] for byte in digest[:10])


def from_template(owner: Object, template: Mapping[str, Any], labels: Mapping[str, str]) -> Object:
    """A new pod: the template's labels, annotations and spec, `labels` on top, owned by `owner`, named after it."""
    meta = template.get("metadata") or {}
    pod: Object = {
        "metadata": {
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "labels": {**(meta.get("labels") or {}), **labels},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": clone(dict(template["spec"])),
    }
    if meta.get("annotations"):
        pod["metadata"]["annotations"] = dict(meta["annotations"])
    return pod


def owned_by(pod: Object, owner: Object) -> bool:
    return any(entry.get("controller") and entry["uid"] == owner["metadata"]["uid"] for entry in pod["metadata"].get("ownerReferences") or [])


def _ready_condition(pod: Object) -> Mapping[str, Any] | None:
    return next((entry for entry in (pod.get("status") or {}).get("conditions") or [] if entry["type"] == "Ready"), None)


def is_ready(pod: Object) -> bool:
    entry = _ready_condition(pod)
    return entry is not None and entry["status"] == "True"


def is_terminating(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_over(pod: Object) -> bool:
    """Succeeded or Failed."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def available_in(pod: Object, min_ready_seconds: int) -> float | None:
    """Seconds until the pod counts as available: 0 when it does, None while it is not ready."""
    entry = _ready_condition(pod)
    if entry is None or entry["status"] != "True" or is_terminating(pod):
        return None
    passed = (parse_time(now()) - parse_time(entry["lastTransitionTime"])).total_seconds()
    return max(0.0, min_ready_seconds - passed)


def count_of(value: object, total: int, *, up: bool) -> int:
    """An IntOrString like maxUnavailable: a number, or a percentage of `total` rounded up or down."""
    if isinstance(value, int):
        return value
    share = int(str(value).rstrip("%")) * total
    return -(-share // 100) if up else share // 100
