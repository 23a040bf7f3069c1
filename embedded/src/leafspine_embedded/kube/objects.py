"""Small helpers for API objects, which are plain JSON values: dicts, lists, strings, numbers, booleans, None."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any, TypeVar

Object = dict[str, Any]
T = TypeVar("T")

# k8s.io/apimachinery/pkg/util/rand: no vowels and no look-alikes, so no words appear by accident.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def clone(value: T) -> T:
    """A deep copy of a JSON value; several times faster than copy.deepcopy because it knows that there are no cycles."""
    kind = type(value)
    if kind is dict:
        return {key: clone(item) for key, item in value.items()}  # type: ignore[return-value, attr-defined]
    if kind is list:
        return [clone(item) for item in value]  # type: ignore[return-value, attr-defined]
    return value


def now() -> str:
    """The present, as the API writes it (UTC, whole seconds)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro() -> str:
    """The present as MicroTime, which leases use."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """What `now` and `now_micro` write."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def new_uid() -> str:
    return str(uuid.uuid4())


def random_suffix(length: int = 5) -> str:
    """The tail of a generated name, drawn as Kubernetes draws it."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def meta(obj: Object) -> Object:
    """obj.metadata, created when missing."""
    value = obj.get("metadata")
    if not isinstance(value, dict):
        value = obj["metadata"] = {}
    return value


def name_of(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Object) -> str:
    """The namespace; empty for cluster-wide objects."""
    return str(obj["metadata"].get("namespace") or "")


def owner_reference(owner: Object, *, controller: bool = True) -> Object:
    """An ownerReferences entry for `owner`, as a controller writes it."""
    entry: Object = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name_of(owner), "uid": owner["metadata"]["uid"]}
    if controller:
        entry["blockOwnerDeletion"] = True
        entry["controller"] = True
    return entry
