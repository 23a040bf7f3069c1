"""The fields of the built-in types: what is unknown, what has a wrong type, what is missing, what Go would not keep.

`data/fields.json` (see make_fields.py) is the table. Texts are those of k8s.io/apimachinery's strict decoder.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from leafspine_embedded.kube.errors import BadRequest, FieldError
from leafspine_embedded.kube.objects import Object, parse_time
from leafspine_embedded.kube.resources import Resource

Fields = dict[str, str]

# Lists and maps that Go keeps although they are empty (no omitempty), as far as anybody sees it.
_KEPT_EMPTY = {("EndpointSlice", "endpoints"), ("EndpointSlice", "ports"), ("Role", "rules"), ("ClusterRole", "rules"), ("Endpoint", "addresses")}
_JSON_KIND = {str: "string", bool: "bool", dict: "object", list: "array", int: "number", float: "number"}
_GO_TYPE = {"str": "string", "int": "int32", "bool": "bool", "num": "float64", "bytes": "[]uint8", "time": "v1.Time", "quantity": "resource.Quantity"}
_KIND_TYPE = {"Event": "CoreV1Event", "TokenRequest": "AuthenticationV1TokenRequest"}
_INT64 = {
    "terminationGracePeriodSeconds", "activeDeadlineSeconds", "runAsUser", "runAsGroup", "fsGroup", "generation", "observedGeneration",
    "expirationSeconds", "tolerationSeconds", "deletionGracePeriodSeconds",
}  # fmt: skip


@cache
def types() -> dict[str, Fields]:
    """Fields by type name; a `!` after a field's type marks it as required."""
    table: dict[str, Fields] = json.loads((Path(__file__).parent / "data" / "fields.json").read_text())
    return table


def type_of(kind: str) -> str:
    """The type's name in the table for an object's kind."""
    return _KIND_TYPE.get(kind, kind)


class Mismatch(Exception):
    """A value of a type that Go cannot decode; the text is Go's."""


def decode(res: Resource, obj: Object) -> list[str]:
    """Bring `obj` into the shape Go would keep, in place; returns the paths of unknown fields (which are removed).

    Raises BadRequest when a value has a wrong type.
    """
    unknown: list[str] = []
    try:
        _object(obj, type_of(res.kind), "", unknown)
    except Mismatch as error:
        raise BadRequest(f'{res.kind} in version "{res.version}" cannot be handled as a {res.kind}: {error}') from None
    return unknown


def decode_metadata(kind: str, version: str, obj: Object) -> list[str]:
    """The same for the metadata of an object whose other fields a CustomResourceDefinition describes."""
    unknown: list[str] = []
    metadata = obj.get("metadata")
    try:
        if not isinstance(metadata, dict):
            raise Mismatch(_wrong(metadata, "ObjectMeta", "metadata", kind, "metadata"))
        _object(metadata, "ObjectMeta", "metadata", unknown)
    except Mismatch as error:
        raise BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}') from None
    return unknown


def _wrong(value: Any, kind: str, path: str, owner: str, field: str) -> str:
    go = _GO_TYPE.get(kind, f"v1.{kind}")
    if kind.startswith("[]"):
        inner = kind[2:]
        go = "[]" + _GO_TYPE.get(inner, f"v1.{inner}")
    elif kind.startswith("{}"):
        go = "map[string]" + _GO_TYPE.get(kind[2:], f"v1.{kind[2:]}")
    elif kind == "int" and field in _INT64:
        go = "int64"
    found = _JSON_KIND[type(value)]
    if kind == "int" and found == "number":
        found = f"number {value}"
    plain = "".join(part.partition("[")[0] + "." for part in path.split(".")).rstrip(".")
    return f"json: cannot unmarshal {found} into Go struct field {owner}.{plain} of type {go}"


def _object(obj: dict[str, Any], name: str, path: str, unknown: list[str]) -> None:
    fields = types()[name]
    for field in tuple(obj):
        here = f"{path}.{field}" if path else field
        kind = fields.get(field)
        if kind is None:
            unknown.append(here)
            del obj[field]
            continue
        value = obj[field]
        if value is None:
            del obj[field]
            continue
        kind = kind.rstrip("!")
        _value(value, kind, here, unknown, name, field)
        if value in ({}, []) and kind[:2] in {"[]", "{}"} and (name, field) not in _KEPT_EMPTY:
            del obj[field]


def _value(value: Any, kind: str, path: str, unknown: list[str], owner: str, field: str) -> None:
    if kind == "any":
        return
    if kind.startswith("[]"):
        if not isinstance(value, list):
            raise Mismatch(_wrong(value, kind, path, owner, field))
        for index, item in enumerate(value):
            if item is None:
                value[index] = item = _zero(kind[2:])
            _value(item, kind[2:], f"{path}[{index}]", unknown, owner, field)
    elif kind.startswith("{}"):
        if not isinstance(value, dict):
            raise Mismatch(_wrong(value, kind, path, owner, field))
        for key in tuple(value):
            if value[key] is None:
                value[key] = _zero(kind[2:])
            _value(value[key], kind[2:], f"{path}.{key}", unknown, owner, field)
    elif kind in types():
        if not isinstance(value, dict):
            raise Mismatch(_wrong(value, kind, path, owner, field))
        _object(value, kind, path, unknown)
    elif not _scalar(value, kind):
        raise Mismatch(_wrong(value, kind, path, owner, field))
    elif kind == "bytes":
        _check_base64(value)
    elif kind == "time":
        _check_time(value)


def _zero(kind: str) -> Any:
    """What Go makes of a null inside a list or a map."""
    if kind.startswith("[]"):
        return []
    if kind.startswith("{}") or kind in types():
        return {}
    return {"int": 0, "num": 0, "bool": False, "any": None, "quantity": "0"}.get(kind, "")


def _scalar(value: Any, kind: str) -> bool:
    if kind in {"str", "bytes", "time"}:
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "int":
        return isinstance(value, int)
    if kind == "quantity":
        return isinstance(value, str | int | float)
    return isinstance(value, int | float)


def _check_base64(value: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        good = 0
        while good < len(value) and (value[good].isalnum() or value[good] in "+/="):
            good += 1
        raise Mismatch(f"illegal base64 data at input byte {good}") from None


def _check_time(value: str) -> None:
    try:
        if "T" not in value or parse_time(value).tzinfo is None:
            raise ValueError
    except ValueError:
        raise Mismatch(f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}"') from None


def missing(res: Resource, obj: Object) -> list[FieldError]:
    """Required fields that are not there (outside metadata and status)."""
    name = type_of(res.kind)
    return list(_missing({key: value for key, value in obj.items() if key not in {"metadata", "status", "apiVersion", "kind"}}, name, "", top=True))


def _missing(obj: dict[str, Any], name: str, path: str, *, top: bool = False) -> Iterator[FieldError]:
    for field, raw in types()[name].items():
        if top and field in {"metadata", "status"}:
            continue
        here = f"{path}.{field}" if path else field
        kind = raw.rstrip("!")
        if field not in obj:
            if raw.endswith("!") and kind != "any":
                yield FieldError.required(here)
            continue
        yield from _missing_in(obj[field], kind, here)


def _missing_in(value: Any, kind: str, path: str) -> Iterator[FieldError]:
    if kind == "JSONSchemaProps":
        return
    if kind.startswith("[]"):
        for index, item in enumerate(value):
            yield from _missing_in(item, kind[2:], f"{path}[{index}]")
    elif kind.startswith("{}"):
        for key, item in value.items():
            yield from _missing_in(item, kind[2:], f"{path}[{key}]")
    elif kind in types():
        yield from _missing(value, kind, path)
