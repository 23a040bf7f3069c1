"""How `get` shows resources: tables, YAML, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import CommandError
from .kinds import BY_NAME, Object

Printer = Callable[[list[Object]], str]


def to_yaml(value: Any) -> str:
    """YAML as Go's library writes it: sorted keys, lists not indented, long lines unbroken."""
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, data: str) -> Any:
        style = "|" if "\n" in data else '"' if _looks_like_other(data) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(value, Dumper=Dumper, sort_keys=True, default_flow_style=False, width=2**31 - 1, allow_unicode=True)
    return written.removesuffix("...\n")


def _looks_like_other(text: str) -> bool:
    """Strings Go's library puts into double quotes because they would read as a number, a time, a boolean or nothing."""
    import re

    return bool(
        text == ""
        or re.fullmatch(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F_]+|[-+]?\.(inf|nan)", text)
        or re.fullmatch(r"\d{4}-\d\d?-\d\d?([Tt ].*)?", text)
        or re.fullmatch(r"(?i)true|false|yes|no|on|off|null|y|n|~", text)
        or re.fullmatch(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?", text)
    )


def _one_or_all(resources: list[Object]) -> Any:
    if len(resources) == 1:
        return resources[0]
    return resources or None


def as_json(resources: list[Object]) -> str:
    return json.dumps(_one_or_all(resources), indent=2, ensure_ascii=False) + "\n"


def as_yaml(resources: list[Object]) -> str:
    return to_yaml(_one_or_all(resources))


def tabulate(rows: list[list[str]]) -> str:
    """Columns at least five wide, three blanks apart; every cell, the last one too, is padded (as Go's tabwriter does it)."""
    widths = [max(5, max(len(row[i]) for row in rows) + 3) for i in range(len(rows[0]))]
    return "".join("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + "\n" for row in rows)


@dataclass(frozen=True)
class Table:
    """headings None: the kind's own, narrow or wide. default_asn: what a node without an AS number has."""

    wide: bool = False
    namespaces: bool = False
    headings: tuple[str, ...] | None = None
    default_asn: Callable[[], str] = lambda: "64512"

    def __call__(self, resources: list[Object]) -> str:
        return "".join(self._table(entry) + "\n" for entry in resources)

    def _table(self, entry: Object) -> str:
        kind = BY_NAME[entry["kind"].removesuffix("List")]
        items = entry["items"] if entry["kind"].endswith("List") else [entry]
        headings = self.headings or (kind.wide if self.wide else kind.narrow)
        for heading in headings:
            if heading not in kind.columns:
                raise CommandError(f"unknown heading {heading}, valid values are: {', '.join(kind.columns)}")
        asn = self.default_asn() if "ASN" in headings and kind.name == "Node" else ""
        rows = [list(headings), *([kind.columns[heading](item, asn) for heading in headings] for item in items)]
        if self.namespaces and kind.namespaced:
            rows = [[first, *row] for first, row in zip(["NAMESPACE", *(item["metadata"].get("namespace", "") for item in items)], rows, strict=True)]
        return tabulate(rows)


def printer(text: str, *, namespaces: bool, default_asn: Callable[[], str]) -> Printer:
    """For the value of --output. Raises CommandError."""
    if text in ("yaml", "yml"):
        return as_yaml
    if text == "json":
        return as_json
    if text in ("ps", "wide"):
        return Table(wide=text == "wide", namespaces=namespaces, default_asn=default_asn)
    key, _, value = text.partition("=")
    if key == "custom-columns":
        if not value:
            raise CommandError("need to specify at least one column")
        return Table(headings=tuple(value.split(",")), default_asn=default_asn)
    if key in ("go-template", "go-template-file"):
        raise CommandError(f"output format '{key}' is not supported by the embedded engine: use -o json")
    raise CommandError(f"unrecognized output format '{text}'")
