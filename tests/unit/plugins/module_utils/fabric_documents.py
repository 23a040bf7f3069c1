"""Fabric documents that the tests start from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

REFERENCE_FILE = Path(__file__).parents[4] / "inventories" / "embedded" / "fabric.yml"


def reference() -> dict[str, Any]:
    """The reference lab's document, the caller's own copy."""
    document = yaml.safe_load(REFERENCE_FILE.read_text())
    assert isinstance(document, dict)
    return document


def changed(*changes: tuple[str, Any], remove: tuple[str, ...] = ()) -> dict[str, Any]:
    """The reference document with values set (or keys removed) at places written as racks/rack0/asn."""
    document = reference()
    for place, value in changes:
        *parents, key = place.split("/")
        target: Any = document
        for parent in parents:
            target = target[int(parent)] if isinstance(target, list) else target.setdefault(parent, {})
        if isinstance(target, list):
            target[int(key)] = copy.deepcopy(value)
        else:
            target[key] = copy.deepcopy(value)
    for place in remove:
        *parents, key = place.split("/")
        target = document
        for parent in parents:
            target = target[parent]
        del target[key]
    return document


def rack(number: int, **servers: str) -> dict[str, Any]:
    """A further rack whose links are drawn from the pool."""
    return {
        "asn": 65100 + number,
        "subnet": f"10.1.{100 + number}.0/24",
        "leaves": [f"leaf{number}"],
        "servers": {name.replace("_", "-"): address for name, address in servers.items()},
    }
