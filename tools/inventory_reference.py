"""Write the tables of docs/inventory.md from the schema of the fabric file.

`tools/inventory_reference.py` compares, `--write` writes. A unit test keeps the page current.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from generated_block import ROOT, main, table

sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.leafspine.calico.plugins.module_utils.fabric_schema import SCHEMA

PAGE = ROOT / "docs" / "inventory.md"
PURPOSE = "Tables of docs/inventory.md from the schema of the fabric file."

_FORMATS = {"asn": "AS number", "label": "name", "lab-name": "name", "cluster-name": "name", "bridge-prefix": "name", "link": "prefix, null or false"}
_TYPES = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number", "boolean": "true or false", "null": "null"}

Row = tuple[str, dict[str, Any], bool]


def kind(schema: dict[str, Any]) -> str:
    """What a value must be, in words: a format, an allowed range, the allowed values."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "minimum" in schema:
        return f"{schema['minimum']} - {schema['maximum']}"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if types == ["array"]:
        return "list"
    known = schema.get("format", "")
    names = [_FORMATS.get(known, known)] if known else [_TYPES[types[0]]]
    return " or ".join([*names, *(["mapping"] if known and "object" in types else [])])


def rows(schema: dict[str, Any], path: str = "", required: bool = False) -> Iterator[Row]:
    """Every key below a schema, depth first: its path, its schema, whether it must be there."""
    if path:
        yield path, schema, required
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        yield from rows(inner, f"{path}.<name>")
    items = schema.get("items", {})
    if "properties" in items:
        yield from rows(items, f"{path}[]")
    for key, part in schema.get("properties", {}).items():
        yield from rows(part, f"{path}.{key}" if path else key, key in schema.get("required", ()))


def default(schema: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    return f"`{json.dumps(schema['default'])}`".replace('"', "") if schema.get("default", {}) != {} else ""


def render(name: str) -> str:
    """The table of one top-level key with all below it; `fabric` is the table of the single top-level keys."""
    found = list(rows(SCHEMA))
    chosen = [row for row in found if "." not in row[0]] if name == "fabric" else [row for row in found if row[0].startswith(f"{name}.")]
    if not chosen:
        raise ValueError(f"the schema has nothing below {name}")
    return table(
        ["key", "value", "default", "meaning"],
        [[f"`{path}`", kind(schema), default(schema, required), schema["description"]] for path, schema, required in chosen],
    )


if __name__ == "__main__":
    sys.exit(main(PAGE, render, PURPOSE))
