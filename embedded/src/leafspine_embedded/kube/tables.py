"""The other shapes an answer can have: Table (what kubectl prints) and PartialObjectMetadata."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from leafspine_embedded.kube import crds, printers
from leafspine_embedded.kube.objects import Object
from leafspine_embedded.kube.resources import Resource

if TYPE_CHECKING:
    from leafspine_embedded.kube.store import Store

_META = "meta.k8s.io/v1"


def partial(obj: Object) -> Object:
    """Only what the object's metadata says."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def table(store: Store, res: Resource, items: Iterable[Object], metadata: Object, include: str) -> Object:
    """A Table. include: what each row carries besides its cells: None, Metadata or Object."""
    columns, cells = _printer(store, res)
    rows = []
    for obj in items:
        row: Object = {"cells": cells(obj)}
        if include != "None":
            row["object"] = obj if include == "Object" else partial(obj)
        rows.append(row)
    return {"kind": "Table", "apiVersion": _META, "metadata": metadata, "columnDefinitions": columns, "rows": rows}


def _printer(store: Store, res: Resource) -> tuple[list[Object], Any]:
    if res.custom:
        return _custom(store, res)
    columns, cells = printers.PRINTERS.get(res.key, (printers.PLAIN_COLUMNS, printers.plain))
    return [_column(text) for text in columns], cells


def _column(text: str) -> Object:
    name, kind, form = [*text.rstrip("*").split(":"), "", ""][:3]
    if name == "Name":
        form = "name"
    return {"name": name, "type": kind or "string", "format": form, "description": "", "priority": 1 if text.endswith("*") else 0}


def _custom(store: Store, res: Resource) -> tuple[list[Object], Any]:
    """additionalPrinterColumns; without any, the age."""
    wanted = crds.storage_version(store, res).get("additionalPrinterColumns") or [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
    columns = [_column("Name")]
    for entry in wanted:
        columns.append(
            {
                "name": entry["name"],
                "type": entry["type"],
                "format": entry.get("format", ""),
                "description": entry.get("description", ""),
                "priority": entry.get("priority", 0),
            }
        )

    def cells(obj: Object) -> list[Any]:
        return [obj["metadata"]["name"], *(_cell(obj, entry) for entry in wanted)]

    return columns, cells


def _cell(obj: Object, column: Object) -> Any:
    found = json_path(obj, column["jsonPath"])
    if not found:
        return printers.UNKNOWN if column["type"] == "date" else None
    value = found[0]
    if column["type"] == "date":
        return printers.since(value) if isinstance(value, str) else "<invalid>"
    if column["type"] == "string" and not isinstance(value, str):
        import json

        return json.dumps(value, separators=(",", ":"))
    return value


_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\\])+)|\[(?P<index>-?\d+|\*)\]|\[\?\(@\.(?P<key>[\w.]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]|\['(?P<quoted>[^']+)'\]"""
)


def json_path(obj: Any, path: str) -> list[Any]:
    """The values at a simple JSONPath: fields, indexes, `[*]` and `[?(@.key=="value")]`; nothing when a step does not fit."""
    values, position = [obj], 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return []
        position = step.end()
        values = [found for value in values for found in _follow(value, step)]
    return values


def _follow(value: Any, step: re.Match[str]) -> list[Any]:
    if step["field"] or step["quoted"]:
        name = step["quoted"] or step["field"].replace("\\", "")
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if step["index"] == "*":
        return value
    if step["index"]:
        index = int(step["index"])
        return [value[index]] if -len(value) <= index < len(value) else []
    return [item for item in value if json_path(item, "." + step["key"]) == [step["value"]]]
