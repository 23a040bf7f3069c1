"""Names, labels and annotations: the rules of k8s.io/apimachinery/pkg/util/validation with their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from leafspine_embedded.kube.errors import FieldError
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import NAMESPACES, SERVICES, Resource

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric "
    f"character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_LABEL_1035}')"
)
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE}')"
)
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_KEY}')"
)
_RBAC_GROUP = "rbac.authorization.k8s.io"


def label_error(text: str) -> str | None:
    """What is wrong with an RFC 1123 label; None when nothing is."""
    return _too_long(text, 63) or (None if re.fullmatch(_LABEL, text) else _LABEL_TEXT)


def subdomain_error(text: str) -> str | None:
    return _too_long(text, 253) or (None if re.fullmatch(_SUBDOMAIN, text) else _SUBDOMAIN_TEXT)


def label_1035_error(text: str) -> str | None:
    return _too_long(text, 63) or (None if re.fullmatch(_LABEL_1035, text) else _LABEL_1035_TEXT)


def path_segment_error(text: str) -> str | None:
    """RBAC names: whatever is one segment of a URL."""
    if text in {".", ".."}:
        return f"may not be '{text}'"
    bad = next((char for char in "/%" if char in text), None)
    return f"may not contain '{bad}'" if bad else None


def label_value_error(text: str) -> str | None:
    return _too_long(text, 63) or (None if re.fullmatch(_VALUE, text) else _VALUE_TEXT)


def label_key_error(text: str) -> str | None:
    prefix, slash, name = text.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if prefix and (problem := subdomain_error(prefix)):
        return f"prefix part {problem}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return None if re.fullmatch(_KEY, name) else _KEY_TEXT


def _too_long(text: str, limit: int) -> str | None:
    return f"must be no more than {limit} bytes" if len(text) > limit else None


def check_metadata(res: Resource, obj: Object) -> list[FieldError]:
    """The name (by the rules of its type), labels and annotations."""
    data = obj["metadata"]
    errors = []
    name = data["name"]
    problem = _name_rule(res)(name)
    if problem:
        errors.append(FieldError.invalid("metadata.name", name, problem))
    errors.extend(check_labels(data.get("labels"), "metadata.labels"))
    for key in data.get("annotations") or {}:
        if problem := label_key_error(key.lower()):
            errors.append(FieldError.invalid("metadata.annotations", key, problem))
    for index, finalizer in enumerate(data.get("finalizers") or []):
        if problem := label_key_error(finalizer):
            errors.append(FieldError.invalid(f"metadata.finalizers[{index}]", finalizer, problem))
    for index, owner in enumerate(data.get("ownerReferences") or []):
        errors.extend(
            FieldError.invalid(f"metadata.ownerReferences[{index}].{field}", "", f"{field} must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        )
    return errors


def _name_rule(res: Resource) -> Any:
    if res.group == _RBAC_GROUP:
        return path_segment_error
    if res.key == NAMESPACES.key:
        return label_error
    if res.key == SERVICES.key:
        return label_1035_error
    return subdomain_error


def check_labels(labels: dict[str, str] | None, path: str) -> Iterator[FieldError]:
    for key, value in (labels or {}).items():
        if problem := label_key_error(key):
            yield FieldError.invalid(path, key, problem)
        if problem := label_value_error(value):
            yield FieldError.invalid(path, value, problem)
