"""Kubernetes' protobuf encoding of request bodies, read into JSON values.

kubectl's typed commands (create configmap, create namespace, auth can-i, drain) send nothing else; answers are always JSON, which they all
accept. The table (data/wiretypes.json, see make_wiretypes.py) is loaded with the first such body.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from leafspine_embedded.kube.errors import BadRequest

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_PACKAGES = {
    "v1": "core",
    "apps/v1": "apps",
    "rbac.authorization.k8s.io/v1": "rbac",
    "authentication.k8s.io/v1": "authentication",
    "authorization.k8s.io/v1": "authorization",
    "coordination.k8s.io/v1": "coordination",
    "discovery.k8s.io/v1": "discovery",
    "policy/v1": "policy",
    "scheduling.k8s.io/v1": "scheduling",
    "storage.k8s.io/v1": "storage",
    "meta.k8s.io/v1": "meta",
}
_DEEPEST = 64

Wire = tuple[int, int, Any]  # field number, wire type, value


class Malformed(Exception):
    """The bytes are no such message."""


@cache
def _types() -> dict[str, dict[int, tuple[str, str]]]:
    raw = json.loads((Path(__file__).parent / "data" / "wiretypes.json").read_text())
    return {name: {int(number): tuple(text.split(" ")) for number, text in fields.items()} for name, fields in raw.items()}


def decode(body: bytes) -> dict[str, Any]:
    """An object with apiVersion and kind. Raises BadRequest."""
    if not body.startswith(_MAGIC):
        raise BadRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = {number: value for number, _, value in _fields(body[4:])}
        named = {number: bytes(value).decode() for number, _, value in _fields(envelope.get(1, b""))}
        version, kind = named.get(1, ""), named.get(2, "")
        message = f"{_PACKAGES.get(version, '')}.{kind}"
        if kind == "DeleteOptions":
            message = "meta.DeleteOptions"
        if message not in _types():
            raise BadRequest(f'no kind "{kind}" is registered for version "{version}" in the embedded engine\'s protobuf decoder')
        return {"apiVersion": version, "kind": kind, **_message(envelope.get(2, b""), message, 0)}
    except (Malformed, ValueError, OverflowError, OSError, struct.error, AttributeError, TypeError) as error:
        raise BadRequest(f"protobuf: {error}") from None


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise Malformed("unexpected end or overlong number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7


def _fields(data: bytes) -> Iterator[Wire]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = _varint(data, position)
            yield number, kind, value
            continue
        if kind == 2:
            length, position = _varint(data, position)
        elif kind in {1, 5}:
            length = 8 if kind == 1 else 4
        else:
            raise Malformed(f"wire type {kind}")
        if position + length > len(data):
            raise Malformed("unexpected end")
        yield number, kind, data[position : position + length]
        position += length


def _message(data: bytes, name: str, depth: int) -> dict[str, Any]:
    if depth > _DEEPEST:
        raise Malformed("nested too deeply")
    made: dict[str, Any] = {}
    fields = _types()[name]
    for number, wire, raw in _fields(data):
        if number not in fields:
            continue
        field, kind = fields[number]
        if kind.startswith("[]"):
            for item in _packed(raw) if wire == 2 and kind[2:] in {"int", "bool"} else (raw,):
                made.setdefault(field, []).append(_value(item, kind[2:], depth))
        elif kind.startswith("{}"):
            key, value = _entry(raw, kind[2:], depth)
            made.setdefault(field, {})[key] = value
        elif kind.endswith("^"):
            made.update(_message(raw, kind[:-1], depth + 1))
        else:
            value = _value(raw, kind.rstrip("*"), depth)
            # Go writes the zero of a field that is no pointer; JSON leaves it out.
            if kind.endswith("*") or value not in ("", 0, False, None):
                made[field] = value
    return made


def _packed(raw: bytes) -> list[int]:
    values, position = [], 0
    while position < len(raw):
        value, position = _varint(raw, position)
        values.append(value)
    return values


def _entry(raw: bytes, kind: str, depth: int) -> tuple[str, Any]:
    parts = {number: value for number, _, value in _fields(raw)}
    empty: Any = 0 if kind in {"int", "bool"} else b""
    return bytes(parts.get(1, b"")).decode(), _value(parts.get(2, empty), kind, depth)


def _value(raw: Any, kind: str, depth: int) -> Any:
    if kind == "str":
        return raw.decode()
    if kind == "int":
        return raw - (1 << 64) if raw >= 1 << 63 else raw
    if kind == "bool":
        return bool(raw)
    if kind == "num":
        return struct.unpack("<d", raw)[0]
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    if kind == "raw":
        inner = next((value for number, _, value in _fields(raw) if number == 1), b"")
        return json.loads(inner) if inner else None
    if kind in _SMALL:
        return _SMALL[kind]({number: value for number, _, value in _fields(raw)})
    if kind == "[]str":
        return [value.decode() for number, _, value in _fields(raw) if number == 1]
    return _message(raw, kind, depth + 1)


def _time(parts: dict[int, Any]) -> str | None:
    seconds = _value(parts.get(1, 0), "int", 0)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None


def _microtime(parts: dict[int, Any]) -> str | None:
    seconds = _value(parts.get(1, 0), "int", 0)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=parts.get(2, 0) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if seconds else None


def _port(parts: dict[int, Any]) -> Any:
    """IntOrString: type 0 is a number, 1 a text."""
    if parts.get(1, 0):
        return bytes(parts.get(3, b"")).decode()
    return _value(parts.get(2, 0), "int", 0)


_SMALL: dict[str, Any] = {
    "time": _time,
    "microtime": _microtime,
    "quantity": lambda parts: bytes(parts.get(1, b"")).decode(),
    "port": _port,
    "duration": lambda parts: _value(parts.get(1, 0), "int", 0),
}
