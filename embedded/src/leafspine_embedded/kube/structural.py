"""Structural schemas of CustomResourceDefinitions: pruning, defaults and validation, with the texts of kube-openapi's validator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from leafspine_embedded.kube.errors import FieldError, go_value
from leafspine_embedded.kube.objects import clone

Schema = dict[str, Any]
_ROOT_FIELDS = {"apiVersion", "kind", "metadata"}


def prune(value: Any, schema: Schema, path: str = "", *, root: bool = True) -> list[str]:
    """Remove fields that the schema does not know, in place; returns their paths."""
    unknown: list[str] = []
    if isinstance(value, dict):
        properties, extra = schema.get("properties", {}), schema.get("additionalProperties")
        for field in tuple(value):
            here = f"{path}.{field}" if path else field
            if (root or schema.get("x-kubernetes-embedded-resource")) and field in _ROOT_FIELDS:
                continue
            if field in properties:
                unknown.extend(prune(value[field], properties[field], here, root=False))
            elif isinstance(extra, dict):
                unknown.extend(prune(value[field], extra, here, root=False))
            elif not extra and not schema.get("x-kubernetes-preserve-unknown-fields"):
                unknown.append(here)
                del value[field]
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            unknown.extend(prune(item, schema["items"], f"{path}[{index}]", root=False))
    return unknown


def default(value: Any, schema: Schema) -> None:
    """Fill in the schema's defaults, in place; a null where null is not allowed counts as missing."""
    if isinstance(value, dict):
        for field, sub in schema.get("properties", {}).items():
            if value.get(field, _ABSENT) is None and not sub.get("nullable"):
                del value[field]
            if field not in value and "default" in sub:
                value[field] = clone(sub["default"])
            if field in value:
                default(value[field], sub)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            for field, item in value.items():
                if field not in schema.get("properties", {}):
                    default(item, extra)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            default(item, schema["items"])


_ABSENT = object()


def check_patterns(schema: Any, path: str) -> Iterator[FieldError]:
    """Patterns that cannot be compiled, anywhere in a schema."""
    if isinstance(schema, dict):
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                yield FieldError.invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {error}")
        for key, value in schema.items():
            yield from check_patterns(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from check_patterns(value, f"{path}[{index}]")


def validate(value: Any, schema: Schema, path: str = "") -> Iterator[FieldError]:
    """Everything that breaks the schema."""
    if value is None and schema.get("nullable"):
        return
    wrong = _type_problem(value, schema)
    if wrong:
        yield FieldError.invalid(path or "<nil>", wrong[0], f"{path} in body must be of type {wrong[1]}: {go_value(wrong[0])}")
        return
    if "enum" in schema and value not in schema["enum"]:
        yield FieldError.unsupported(path, value, [str(choice) for choice in schema["enum"]])
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(value, schema, path)
    elif isinstance(value, list):
        yield from _list(value, schema, path)
    elif isinstance(value, dict):
        yield from _object(value, schema, path)
    yield from _combined(value, schema, path)


def _type_problem(value: Any, schema: Schema) -> tuple[str, str] | None:
    """(what it is, what it should be) when the type is wrong."""
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        good = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
        return None if good else (_kind(value), "integer,string")
    if wanted is None:
        return None
    kind = _kind(value)
    if kind == wanted or (wanted == "number" and kind == "integer"):
        return None
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return None
    return kind, wanted


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {str: "string", int: "integer", float: "number", list: "array", dict: "object"}[type(value)]


def _text(value: str, schema: Schema, path: str) -> Iterator[FieldError]:
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield FieldError.invalid(path, value, f"{path} in body should match '{schema['pattern']}'")
    if len(value) < schema.get("minLength", 0):
        yield FieldError.invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        yield FieldError(path, "FieldValueTooLong", f"Too long: may not be more than {schema['maxLength']} bytes")


def _number(value: float, schema: Schema, path: str) -> Iterator[FieldError]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value <= low if schema.get("exclusiveMinimum") else value < low):
        yield FieldError.invalid(path, value, f"{path} in body should be greater than {'' if schema.get('exclusiveMinimum') else 'or equal to '}{low}")
    if high is not None and (value >= high if schema.get("exclusiveMaximum") else value > high):
        yield FieldError.invalid(path, value, f"{path} in body should be less than {'' if schema.get('exclusiveMaximum') else 'or equal to '}{high}")
    bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
    if bits and not -(2**bits) <= value < 2**bits:
        yield FieldError.invalid(path, value, f"{path} in body must be of type {schema['format']}: {value}")


def _list(value: list[Any], schema: Schema, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minItems", 0):
        yield FieldError.invalid(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        yield FieldError(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {schema['maxItems']} items")
    keys = schema.get("x-kubernetes-list-map-keys")
    seen: list[Any] = []
    for index, item in enumerate(value):
        identity = tuple(item.get(key) for key in keys) if keys and isinstance(item, dict) else item
        if (keys or schema.get("x-kubernetes-list-type") == "set") and identity in seen:
            yield FieldError.duplicate(f"{path}[{index}]", dict(zip(keys, identity, strict=True)) if keys else item)
        seen.append(identity)
        if isinstance(schema.get("items"), dict):
            yield from validate(item, schema["items"], f"{path}[{index}]")


def _object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[FieldError]:
    for field in schema.get("required", []):
        if field not in value:
            yield FieldError.required(f"{path}.{field}" if path else field)
    if len(value) < schema.get("minProperties", 0):
        yield FieldError.invalid(path, len(value), f"{path} in body should have at least {schema['minProperties']} properties")
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        yield FieldError(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {schema['maxProperties']} items")
    properties, extra = schema.get("properties", {}), schema.get("additionalProperties")
    for field, item in value.items():
        if not path and field in _ROOT_FIELDS:
            continue
        sub = properties.get(field, extra)
        if isinstance(sub, dict):
            yield from validate(item, sub, f"{path}.{field}" if path else field)


def _combined(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    """allOf, anyOf, oneOf and not, which in structural schemas hold value checks only."""
    for sub in schema.get("allOf", []):
        yield from validate(value, sub, path)
    if schema.get("x-kubernetes-int-or-string"):
        return
    fitting = {word: sum(not any(validate(value, sub, path)) for sub in schema[word]) for word in ("anyOf", "oneOf") if word in schema}
    if fitting.get("anyOf") == 0:
        yield FieldError.invalid(path or "<nil>", value, f"{path} in body must validate at least one schema (anyOf)")
    if fitting.get("oneOf", 1) != 1:
        yield FieldError.invalid(
            path or "<nil>", value, f"{path} in body must validate one and only one schema (oneOf). Found {fitting['oneOf']} valid alternatives"
        )
    if "not" in schema and not any(validate(value, schema["not"], path)):
        yield FieldError.invalid(path or "<nil>", value, f"{path} in body must not validate the schema (not)")
