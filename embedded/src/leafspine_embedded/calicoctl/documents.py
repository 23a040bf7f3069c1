"""Resources from files, directories and standard input: YAML or JSON, strict, with the texts of the real tool's parser."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from .errors import CommandError, ParseError
from .kinds import API_VERSION, BY_NAME, ELSEWHERE, Object
from .schema import Type, fields_of

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRINGS = {"str", "duration"}
_DECODING = "error parsing document: error unmarshaling JSON: while decoding JSON: "


class _Loader(_Base):
    """YAML as Go reads it: no time stamps, no sexagesimal numbers ("65000:1" is a string), a key twice is an error."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":value"))]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            name = self.construct_object(key, deep=True)
            if isinstance(name, (list, dict)):
                raise ParseError("error parsing document: yaml: invalid map key")
            if name in seen:
                where = f'line {key.start_mark.line + 1}: key "{name}" already set in map'
                raise ParseError(f"error parsing document: error converting YAML to JSON: yaml: unmarshal errors:\n  {where}")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


_INT = re.compile(r"^(?:[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))


def _construct_int(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    return int(re.sub(r"^([-+]?)0(?=[0-7])", r"\g<1>0o", text), 0)


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def load_yaml(text: str) -> Any:
    """One YAML document. Raises ParseError with Go's wording: the problem, and its line as Go counts it."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        marks = [mark.line for mark in (error.context_mark, error.problem_mark) if mark is not None and mark.line]
        line = marks[0] + isinstance(error, yaml.scanner.ScannerError) if marks else 0
        place = f"line {line}: " if line else ""
        raise ParseError(f"error parsing document: yaml: {place}{error.problem or 'unknown problem parsing YAML content'}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ParseError(f"error parsing document: yaml: {error}") from None


def _documents(text: str) -> Iterator[str]:
    """The parts between lines that start with ---, without those that hold nothing."""
    for part in re.split(r"(?m)^---.*$", text):
        if any(line.strip() and not line.lstrip().startswith("#") for line in part.splitlines()):
            yield part


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "null"


def _mismatch(value: Any, where: str, wanted: str) -> ParseError:
    return ParseError(f"{_DECODING}json: cannot unmarshal {_go_type(value)} into Go struct field {where} of type {wanted}")


def _asn(value: Any) -> int:
    from leafspine_embedded.calico.model import parse_asn

    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32:
        return value
    if not isinstance(value, str):
        raise ParseError(f"{_DECODING}json: cannot unmarshal {_go_type(value)} into Go value of type string")
    try:
        return parse_asn(value)
    except ValueError as error:
        raise ParseError(f"{_DECODING}{error}") from None


def _scalar(value: Any) -> str:
    """A YAML scalar where a string is wanted: numbers and booleans become their text, as in the real tool."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any, wanted: str, where: str) -> Any:
    if wanted == "any":
        return value
    if wanted == "asn":
        return _asn(value)
    if wanted in _STRINGS:
        if isinstance(value, (list, dict)):
            raise _mismatch(value, where, "string")
        return _duration(_scalar(value)) if wanted == "duration" else _scalar(value)
    if wanted == "bool":
        if not isinstance(value, bool):
            raise _mismatch(value, where, "bool")
        return value
    if wanted == "int":
        if isinstance(value, bool) or not isinstance(value, int):
            raise _mismatch(value, where, "int")
        return value
    if not isinstance(value, dict):
        raise _mismatch(value, where, "map[string]string")
    for entry in value.values():
        if isinstance(entry, (list, dict)):
            raise _mismatch(entry, where, "string")
    return {_scalar(key): _scalar("" if entry is None else entry) for key, entry in value.items()}


def _duration(text: str) -> str:
    """Go's own spelling of a duration: 150s -> 2m30s."""
    from leafspine_embedded.calico.model import seconds

    value = seconds(text)
    if value is None or "ms" in text or "." in text:
        if value is None:
            raise ParseError(f'{_DECODING}time: invalid duration "{text}"')
        return text
    hours, rest = divmod(value, 3600)
    minutes, left = divmod(rest, 60)
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if minutes or hours else ''}{left}s"


def conform(value: Any, wanted: Type, where: str) -> Any:
    """The value in the types of the schema. Null leaves a field out. Raises ParseError at the first field that does not fit."""
    if isinstance(wanted, list):
        if not isinstance(value, list):
            raise _mismatch(value, where, "[]string" if wanted[0] in _STRINGS else "[]object")
        return [conform(entry, wanted[0], where) for entry in value]
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            raise _mismatch(value, where, "object")
        found: Object = {}
        for key in sorted(value, key=str):
            if key not in wanted:
                raise ParseError(f"error parsing document: field in document is not recognized or is in the wrong location: {key}")
            if value[key] is not None:
                found[key] = conform(value[key], wanted[key], f"{where}.{key}")
        return {key: found[key] for key in wanted if key in found}
    return _plain(value, wanted, where)


def resource(raw: Any) -> Object:
    """One resource of a supported kind in the types of its schema. Raises ParseError."""
    if not isinstance(raw, dict):
        raise ParseError(f"{_DECODING}json: cannot unmarshal {_go_type(raw)} into Go value of type map[string]interface {{}}")
    kind, version = raw.get("kind") or "", raw.get("apiVersion") or ""
    if not isinstance(kind, str) or not isinstance(version, str):
        wrong = kind if not isinstance(kind, str) else version
        field = "kind" if not isinstance(kind, str) else "apiVersion"
        raise ParseError(f"{_DECODING}json: cannot unmarshal {_go_type(wrong)} into Go struct field TypeMeta.{field} of type string")
    if kind not in BY_NAME or version != API_VERSION:
        known = kind in ELSEWHERE.values() and version == API_VERSION
        raise ParseError(f"unknown resource type ({kind}) and/or version ({version}){': not supported by the embedded engine' if known else ''}")
    found: Object = conform(raw, fields_of(kind), kind)
    found.setdefault("metadata", {})
    found.setdefault("spec", {})
    return found


def _expand(raw: Any) -> Iterator[Object]:
    if isinstance(raw, list):
        for entry in raw:
            yield from _expand(entry)
    elif isinstance(raw, dict) and str(raw.get("kind", "")).removesuffix("List") in BY_NAME and str(raw.get("kind")).endswith("List"):
        if raw.get("apiVersion") != API_VERSION:
            raise ParseError(f"unknown resource type ({raw['kind']}) and/or version ({raw.get('apiVersion') or ''})")
        for key in raw:
            if key not in ("apiVersion", "kind", "metadata", "items"):
                raise ParseError(f"error parsing document: field in document is not recognized or is in the wrong location: {key}")
        base = {"apiVersion": API_VERSION, "kind": raw["kind"].removesuffix("List")}
        for entry in raw.get("items") or []:
            yield resource({**base, **entry} if isinstance(entry, dict) else entry)
    else:
        yield resource(raw)


def parse(text: str) -> list[Object]:
    """All resources of a file's text; lists are opened. Raises ParseError."""
    return [found for part in _documents(text) for found in _expand(load_yaml(part))]


def _read(path: str) -> str:
    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise ParseError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise ParseError("error parsing document: yaml: invalid leading UTF-8 octet") from None


def _files(path: str, recursive: bool) -> Iterator[str]:
    if path == "-" or not os.path.isdir(path):
        yield path
        return
    for name in sorted(os.listdir(path)):
        entry = os.path.join(path, name)
        if os.path.isdir(entry):
            if recursive:
                yield from _files(entry, recursive)
        elif name.lower().endswith((".yaml", ".yml", ".json")):
            yield entry


def load(path: str, *, recursive: bool = False, skip_empty: bool = False) -> list[Object]:
    """The resources of a file, a directory or "-". Raises ParseError, or CommandError for a file without resources."""
    found: list[Object] = []
    for name in _files(path, recursive):
        part = parse(_read(name))
        if not part and not skip_empty:
            raise CommandError(f"no resources specified in file {name}")
        found += part
    if not found and not skip_empty:
        raise CommandError(f"no resources specified in directory {path}")
    return found
